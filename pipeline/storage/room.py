"""Room: what may still be written, within a quota and on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Room:
    """`quota_bytes` is the most that what is kept in `place` may take together, None as much as there is;
    `reserve_bytes` is what stays free on the disk of `folder`."""

    def __init__(self, place: str, folder: Path, *, quota_bytes: int | None, reserve_bytes: int) -> None:
        self._place = place
        self._folder = folder
        self._quota = quota_bytes
        self._reserve = reserve_bytes

    def refuse_over_quota(self, used: int, needed: int) -> None:
        """Raises `StorageFull` with the code `quota_reached`."""
        if self._quota is not None and used + needed > self._quota:
            raise StorageFull(
                f"What is kept in {self._place} may take {_mib(self._quota)} together; it takes {_mib(used)},"
                f" and {_mib(needed)} more do not fit.",
                code="quota_reached",
                accepted="a larger storage.quota_gigabytes, or fewer videos kept",
            )

    def refuse_over_disk(self, needed: int) -> None:
        """Raises `StorageFull` where `needed` more bytes would go into the reserve."""
        if self._free() < needed + self._reserve:
            raise self._full(needed)

    @contextmanager
    def taking(self, needed: int) -> Generator[None]:
        """Within it, a disk that turns out to be full raises `StorageFull`."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise self._full(needed) from error
            raise

    def _free(self) -> int:
        # The folder itself may be what there was no room for.
        disk = os.statvfs(next(path for path in (self._folder, *self._folder.parents) if path.exists()))
        return disk.f_bavail * disk.f_frsize

    def _full(self, needed: int) -> StorageFull:
        reserve = f", of which {_mib(self._reserve)} are never used" if self._reserve else ""
        return StorageFull(
            f"There is no room for {_mib(needed)} more in {self._folder}: {_mib(self._free())} are free{reserve}.",
            accepted="a disk with more room, a larger limit on the size of files, or a smaller"
            " storage.reserve_megabytes",
        )


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size} bytes"

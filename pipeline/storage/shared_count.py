"""A number that several processes keep up to date in one file, exact even after one of them was killed."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import MouthpieceError

_RECORD = struct.Struct("<QQ")  # 1 if nobody was changing it when it was written; the number
_SETTLED, _CHANGING = 1, 0


class SharedCount:
    """Changed by one process and thread at a time, read by anyone at any time.

    The file's lock also orders whatever is done while the number changes. A process that dies meanwhile leaves the
    record marked, and whoever comes next counts anew with `recount`, which is called under the lock.
    """

    def __init__(self, path: Path, recount: Callable[[], int]) -> None:
        self._path = path
        self._recount = recount
        with self.changing() as change:
            change.value = recount()  # after a power failure the record may be older than what it counts

    def value(self) -> int:
        with _opened(self._path, os.O_RDONLY) as descriptor:
            return _read(descriptor)[1]

    @contextmanager
    def changing(self) -> Generator[Change]:
        """The lock, and the number to be changed as soon as what it counts has changed."""
        with _opened(self._path, os.O_RDWR | os.O_CREAT) as descriptor:
            # A new description each time: locks belong to these, so that threads exclude each other too.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            state, value = _read(descriptor)
            change = Change(value if state == _SETTLED else self._recount())
            os.pwrite(descriptor, _RECORD.pack(_CHANGING, change.value), 0)
            try:
                yield change
            except MouthpieceError:
                _settle(descriptor, change)
                raise
            # Whatever else is raised may have come between a change and its count, and leaves the mark.
            _settle(descriptor, change)


class Change:
    """The number while it may be changed."""

    def __init__(self, value: int) -> None:
        self.value = value


@contextmanager
def _opened(path: Path, flags: int) -> Generator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> tuple[int, int]:
    data = os.pread(descriptor, _RECORD.size, 0)
    return _RECORD.unpack(data) if len(data) == _RECORD.size else (_CHANGING, 0)


def _settle(descriptor: int, change: Change) -> None:
    os.pwrite(descriptor, _RECORD.pack(_SETTLED, max(0, change.value)), 0)

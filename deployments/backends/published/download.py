"""One file over HTTP, resumed wherever it stopped: what has come stays beside it as `<name>.incomplete`.

The hub's own client keeps nothing of a file that a killed process had begun (huggingface_hub 2), and files elsewhere
have no client at all; of a file of ten gigabytes every byte should come once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from pipeline.errors import Conflict, MouthpieceError, NotFound, SettingsError, StorageFull, Unavailable

if TYPE_CHECKING:
    import httpx

TRIES: Final = 6
"""Attempts in a row that bring nothing before it is given up."""

PAUSE: Final = 0.25
"""Seconds before the second attempt; twice as long before each next one."""

PATIENCE: Final = 30.0
"""Seconds without a byte after which a connection is as good as cut."""

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_OURS: Final = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}

Said = Callable[[int, int | None], None]
"""Told how many bytes are here, and of how many, as they come."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes are. Addresses that a hub gives out may expire: a `Source` is asked for before every attempt."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def incomplete(target: Path) -> Generator[tuple[Path, IO[bytes]]]:
    """The file that `target` grows in, open for writing at its end, and held by this process alone.

    Raises `Conflict` where another process is at it, `StorageFull` and `SettingsError` as `writing` does.
    """
    part = target.with_name(f"{target.name}.incomplete")
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("ab")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = part.stat().st_ino == os.fstat(file.fileno()).st_ino  # the one before may just have moved it
        except (BlockingIOError, FileNotFoundError):
            ours = False
        if not ours:
            raise Conflict(
                f"Another process is fetching {target.name}.", code="being_fetched", accepted="waiting for it"
            )
        yield part, file


def download(source: Callable[[], Source], file: IO[bytes], size: int | None, said: Said) -> None:
    """Has all bytes of the source in the file, which holds as many as came before. `size` in bytes, where known.

    A cut connection, a busy server and an answer of the wrong length are tried again, from where it stopped. Raises
    `Unavailable` when that brings nothing `TRIES` times in a row, `NotFound`, `SettingsError` for what an address
    refuses, and what `writing` raises.
    """
    import httpx

    failed = 0
    with httpx.Client(follow_redirects=True, timeout=httpx.Timeout(PATIENCE)) as client:
        while True:
            had = file.seek(0, os.SEEK_END)
            if size is not None and had > size:
                had = file.truncate(0)
            if had == size:
                return
            try:
                size = _attempt(client, source(), file, size, said)
                return
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            except _Again as error:
                trouble = str(error)
            failed = 0 if file.seek(0, os.SEEK_END) > had else failed + 1
            if failed >= TRIES:
                raise Unavailable(
                    f"The download stopped and did not go on, {TRIES} times in a row ({trouble}). "
                    "What has come is kept; the same command goes on from there.",
                    code="download_stopped",
                )
            time.sleep(PAUSE * 2**failed)


class _Again(Exception):
    """This attempt failed in a way that may pass."""


def _attempt(client: httpx.Client, source: Source, file: IO[bytes], size: int | None, said: Said) -> int:
    """One request for what is missing. Returns the size of the whole."""
    had = file.seek(0, os.SEEK_END)
    # Compressed on the way, bytes could not be counted.
    headers = {**source.headers, "Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
    with client.stream("GET", source.url, headers=headers) as answer:
        _refuse(answer)
        if answer.status_code == 416 or (answer.status_code == 206 and _start(answer) != had):
            file.truncate(0)
            raise _Again("the server had another part than was asked for")
        if answer.status_code == 200:
            had = file.truncate(0)  # it can't resume
        length = answer.headers.get("Content-Length", "")
        size = size if size is not None else (had + int(length) if length.isdigit() else None)
        with writing(Path(file.name)):
            for chunk in answer.iter_raw():  # as they come: what was gathered to a size would go with the connection
                file.write(chunk)
                had += len(chunk)
                said(had, size)
                if size is not None and had > size:
                    file.truncate(0)
                    raise _Again(f"the server sent more than {size} bytes")
            file.flush()
    if size is not None and had < size:
        raise _Again(f"{had} of {size} bytes came")
    return had


def _start(answer: httpx.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _refuse(answer: httpx.Response) -> None:
    """Raises for an answer that is no bytes: `_Again` where they may yet come."""
    status = answer.status_code
    if status in (200, 206, 416):
        return
    said = f"{answer.url.host} answered {status} {answer.reason_phrase}"
    if status in (404, 410):
        raise NotFound(f"{said}: the file is not there any more.", code="not_published")
    if status in (408, 425, 429, 403) or status >= 500:  # 403: an address that has expired
        raise _Again(said)
    raise Unavailable(f"{said}.", code="download_refused")


@contextmanager
def writing(path: Path) -> Generator[None]:
    """Within it, errors of the disk are ours: `StorageFull`, and `SettingsError` (unwritable_cache) for a folder that
    can't be written to."""
    try:
        yield
    except OSError as error:
        failure = disk_failure(error, path)
        if failure is None:
            raise
        raise failure from error


def disk_failure(error: OSError, path: Path) -> MouthpieceError | None:
    """What an error of the disk means; None for one that is none."""
    if error.errno in _NO_ROOM:
        return StorageFull(f"There is no room left for {path}: {error.strerror}.", code="disk_full")
    if error.errno in _NOT_OURS:
        return SettingsError(
            f"Weights can't be kept at {path}: {error.strerror}.",
            code="unwritable_cache",
            field="HF_HOME",
            accepted="a folder that can be written to, in HF_HOME or HF_HUB_CACHE",
        )
    return None

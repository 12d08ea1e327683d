"""Drafts: files being written, in a folder that several processes share. Those of dead processes are swept up."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.storage.room import Room


class Drafts:
    """A folder of drafts. Opening it removes what no living process writes; raises `StorageFull`."""

    def __init__(self, folder: Path, room: Room) -> None:
        self._folder = folder
        self._room = room
        with room.taking(0):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in folder.iterdir():
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    @contextmanager
    def draft(self) -> Generator[Draft]:
        """A new file, gone afterwards unless it was given another name."""
        while True:
            path = self._folder / secrets.token_hex(16)
            with self._room.taking(0):
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                # The lock says that its writer lives. A process that sweeps may have been quicker with its own.
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if os.fstat(descriptor).st_nlink:
                    yield Draft(path, descriptor, self._room)
                    return
            finally:
                os.close(descriptor)
                path.unlink(missing_ok=True)


class Draft:
    """A file being written."""

    def __init__(self, path: Path, descriptor: int, room: Room) -> None:
        self.path = path
        self._descriptor = descriptor
        self._room = room

    def write(self, data: bytes | memoryview) -> None:
        """All of it. Raises `StorageFull`, after which the file holds any part of it."""
        view = memoryview(data).cast("B")
        self._room.refuse_over_disk(len(view))
        with self._room.taking(len(view)):
            while view:
                view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        # Some file systems find out only now that they are full.
        with self._room.taking(os.fstat(self._descriptor).st_size):
            os.fsync(self._descriptor)


def sync(path: Path) -> None:
    """Makes the names in a folder survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

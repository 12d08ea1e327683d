"""Scratch folders: for files that a library writes by name. Those of processes that were killed are swept up."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "mouthpiece-scratch-"


@contextmanager
def scratch() -> Generator[Path]:
    """A new folder where the system has its temporary files, gone with all that is in it afterwards, or when the next
    one is made after its process was killed. Raises `OSError` where there is no room."""
    _sweep()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # its mode is 0700
        try:
            # The lock says that its process lives. One that sweeps may have been quicker with its own.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if folder.exists():
                yield folder
                return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)


def _sweep() -> None:
    """Removes folders that no living process holds."""
    for path in _ours():
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)


def _ours() -> Iterator[Path]:
    """Folders of that name which this user made: the place for temporary files is everybody's."""
    with os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                folder = entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False)
                if folder and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    yield Path(entry.path)

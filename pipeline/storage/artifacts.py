"""What every store of artifacts promises: bytes kept by their SHA-256, made whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipeline.errors import Damaged, NotFound

PIECE = 1 << 20
"""Bytes: what is read, sent and verified at a time."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def checked(digest: str) -> str:
    """`digest`, if it can be one: it becomes part of a path. Raises `ValueError`."""
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is not a SHA-256: 64 hex digits in lower case")
    return digest


def missing(digest: str) -> NotFound:
    return NotFound(f"There is no artifact {digest}.", field="artifact", accepted="the SHA-256 of one that is kept")


def damaged(digest: str, how: str) -> Damaged:
    return Damaged(f"The artifact {digest} is damaged: {how}. Putting it again mends it.")


@dataclass(frozen=True, slots=True)
class Stored:
    """An artifact that is in the store."""

    digest: str
    """SHA-256 of its bytes, 64 hex digits in lower case: its name."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An artifact as a listing shows it."""

    digest: str
    size: int
    modified: float
    """Seconds since the epoch when it was last put or renewed."""


class Writer(Protocol):
    """An artifact being written, by one thread at a time, within its `with` block.

    Leaving the block without `commit` leaves nothing behind. After an error, and after `commit`, it takes no more:
    `ValueError`.
    """

    def write(self, data: bytes) -> None:
        """Raises `StorageFull` where there is no room."""
        ...

    def commit(self) -> Stored:
        """Syncs it and gives it its name. It survives the machine's power failing once this has returned.

        Raises `StorageFull`. What is there already is made new; if it was found damaged, it is replaced.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Artifacts(Protocol):
    """A store. Called from many threads at once; several processes may share one.

    A digest that is not 64 hex digits is a `ValueError`. Reading raises `NotFound` where there is no such artifact
    and `Damaged` where its bytes are not those that were stored: no unverified byte ever leaves the store.
    """

    def writer(self) -> Writer: ...

    def put(self, data: bytes) -> Stored:
        """A writer for what is in memory. Takes no room where it is there already."""
        ...

    def renew(self, digest: str) -> None:
        """Makes it new as putting it again would. Raises `NotFound`.

        Whoever is about to refer to an artifact that is there already renews it first: from then on, and for the
        grace time of a sweep, nothing takes it away (`pipeline/storage/retention.py`).
        """
        ...

    def has(self, digest: str) -> bool: ...

    def size(self, digest: str) -> int: ...

    def read(self, digest: str) -> bytes:
        """The whole of it."""
        ...

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` up to but without `end`, in pieces of at most 1 MiB, each verified before it is yielded.

        Both count from the first byte and are cut to the size, as slices are; `ValueError` if they are negative or
        the wrong way round. `NotFound` is raised by the call itself, `Damaged` at the latest where the damage is.
        """
        ...

    def verify(self, digest: str) -> None:
        """Reads all of it, and raises as reading does. What was verified and has not changed is not read again."""
        ...

    def local(self, digest: str) -> AbstractContextManager[Path]:
        """A file to read while the context lasts, for libraries that want a path."""
        ...

    def url(self, digest: str, seconds: int, media_type: str, filename: str) -> str | None:
        """A signed URL that serves it for so long without us, or None where the store has no server of its own."""
        ...

    def delete(self, digest: str) -> None:
        """What is not there is deleted already."""
        ...

    def discard(self, digest: str, until: float) -> bool:
        """Deletes it if it was last put or renewed at or before `until`, in seconds since the epoch; says whether.

        One step, as far as anyone can see: an artifact that is put or renewed before, meanwhile or afterwards is
        there once that has returned.
        """
        ...

    def list(self) -> Iterator[Kept]:
        """Every artifact, in no order; nothing that is still being written."""
        ...

    def used(self) -> int:
        """Bytes of all artifacts. Cheap enough to be asked before every write."""
        ...

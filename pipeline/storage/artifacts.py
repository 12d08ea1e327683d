"""What every store of artifacts promises: bytes kept by their SHA-256, made whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


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
    """Seconds since the epoch when it was last put. Putting it again makes it new again."""


class Writer(Protocol):
    """An artifact being written. Leaving the `with` block without `commit` leaves nothing behind."""

    def write(self, data: bytes) -> None:
        """Raises `StorageFull` where there is no room."""
        ...

    def commit(self) -> Stored:
        """Syncs it and gives it its name. It survives the machine's power failing once this has returned."""
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
        """A writer for what is in memory."""
        ...

    def has(self, digest: str) -> bool: ...

    def size(self, digest: str) -> int: ...

    def read(self, digest: str) -> bytes:
        """The whole of it."""
        ...

    def stream(self, digest: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes `start` up to but without `end`, in pieces of at most 1 MiB, each verified before it is yielded."""
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

    def list(self) -> Iterator[Kept]:
        """Every artifact, in no order; nothing that is still being written."""
        ...

    def used(self) -> int:
        """Bytes of all artifacts."""
        ...

"""Chunk sums: the SHA-256 of every MiB of an artifact, so that a part of it is verified without reading the rest."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.storage.artifacts import PIECE, Stored, damaged

_SUM = 32
_HEAD = struct.Struct("<8s32sQ")  # what it is, digest of the artifact, its size in bytes
_MAGIC = b"chunks1\n"


@dataclass(frozen=True, slots=True)
class ChunkSums:
    """What the chunks of one artifact must be. An artifact of one chunk needs none kept: its name is its only sum.

    They find damage, not malice: who can write into a store can write matching sums beside what he wrote. `verify`
    compares the whole with its name.
    """

    digest: str
    size: int
    """Bytes of the artifact."""
    sums: bytes
    """32 bytes for each chunk of 1 MiB, the last of which may be shorter."""

    @classmethod
    def of_one(cls, digest: str, size: int) -> ChunkSums:
        """For an artifact of at most one chunk."""
        if size == 0 and digest != hashlib.sha256().hexdigest():
            raise damaged(digest, "it is empty")
        return cls(digest, size, bytes.fromhex(digest) if size else b"")

    @classmethod
    def unpacked(cls, digest: str, data: bytes) -> ChunkSums | None:
        """What `packed` made for this artifact; None where the sums themselves are damaged."""
        body, check = data[:-_SUM], data[-_SUM:]
        if len(body) < _HEAD.size or hashlib.sha256(body).digest() != check:
            return None
        magic, name, size = _HEAD.unpack_from(body)
        sums = body[_HEAD.size :]
        if magic != _MAGIC or name.hex() != digest or len(sums) != -(-size // PIECE) * _SUM:
            return None
        return cls(digest, size, sums)

    def packed(self) -> bytes:
        """Fit to be kept: 80 bytes and 32 for each MiB. Ends in a sum of its own."""
        body = _HEAD.pack(_MAGIC, bytes.fromhex(self.digest), self.size) + self.sums
        return body + hashlib.sha256(body).digest()

    def span(self, start: int, end: int | None) -> tuple[int, int]:
        """A range as `Artifacts.stream` takes it, cut to the size. Raises `ValueError`."""
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"bytes {start} to {end} are no range")
        end = self.size if end is None else min(end, self.size)
        return min(start, end), end

    def verified(self, chunks: Iterable[bytes], start: int, end: int) -> Iterator[bytes]:
        """Bytes `start` to `end` out of whole chunks, from the one that holds `start`. Raises `Damaged`."""
        if start >= end:
            return
        index = start // PIECE
        for chunk in chunks:
            at = index * PIECE
            wanted = self.sums[index * _SUM : (index + 1) * _SUM]
            if len(chunk) != min(PIECE, self.size - at) or hashlib.sha256(chunk).digest() != wanted:
                raise damaged(self.digest, f"bytes {at} to {min(at + PIECE, self.size)} are not those that were kept")
            yield chunk[max(start - at, 0) : end - at]
            index += 1
            if index * PIECE >= end:
                return
        raise damaged(self.digest, f"it ends before byte {end}")


class RunningSums:
    """Digest and chunk sums of bytes that come bit by bit."""

    def __init__(self) -> None:
        self.size = 0
        self._whole = hashlib.sha256()
        self._chunk = hashlib.sha256()
        self._sums = bytearray()

    def update(self, data: bytes | memoryview) -> None:
        self._whole.update(data)
        view = memoryview(data).cast("B")
        while view:
            taken = view[: PIECE - self.size % PIECE]
            self._chunk.update(taken)
            self.size += len(taken)
            if self.size % PIECE == 0:
                self._sums += self._chunk.digest()
                self._chunk = hashlib.sha256()
            view = view[len(taken) :]

    @property
    def stored(self) -> Stored:
        return Stored(self._whole.hexdigest(), self.size)

    def sums(self) -> ChunkSums:
        last = self._chunk.digest() if self.size % PIECE else b""
        return ChunkSums(self._whole.hexdigest(), self.size, bytes(self._sums) + last)

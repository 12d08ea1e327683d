"""Boxes of an MP4 file (ISO/IEC 14496-12, 4.2): what a player sees of it before it decodes anything."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def boxes(data: bytes) -> list[str]:
    """Types of the boxes of the file, in order; the last may be cut off."""
    return [kind for kind, _ in walk(data)]


def walk(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Type and content of each box."""
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        assert length >= 8, (kind, length)
        yield kind.decode("ascii"), data[at + 8 : at + length]
        at += length

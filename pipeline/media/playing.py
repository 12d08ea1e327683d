"""A film played for as long as something else lasts: cut off where that is shorter, gone on with where it is longer."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from pipeline.contracts import Extension, Picture
from pipeline.media.footage import FootageFacts, footage_frames

HELD: Final = 128 << 20
"""Bytes of pictures that are in memory at once while a film goes backwards: it is decoded in pieces of so many."""


def played(
    path: Path, facts: FootageFacts, count: int, extend: Extension, *, field: str = "video", max_frames: int
) -> Iterator[tuple[int, Picture]]:
    """`count` pictures, each with its number in the film, `facts.fps` a second.

    Where the film ends before, `extend` says what comes then. Of a film that goes backwards and forwards, the first
    and the last picture are shown twice in a row. Memory stays the same however long it goes on. Raises what
    `footage_frames` raises.
    """
    yield from islice(_played(path, facts, extend, field, max_frames), count)


def _played(
    path: Path, facts: FootageFacts, extend: Extension, field: str, max_frames: int
) -> Iterator[tuple[int, Picture]]:
    while True:
        last: tuple[int, Picture] | None = None
        for last in enumerate(footage_frames(path, facts, field=field, max_frames=max_frames)):
            yield last
        if last is None:  # footage_frames gives at least one
            raise RuntimeError("a film has at least one frame")
        while extend == "hold":
            yield last
        if extend == "bounce":
            length = last[0] + 1
            del last
            yield from _backwards(path, facts, length, field, max_frames)


def _backwards(
    path: Path, facts: FootageFacts, length: int, field: str, max_frames: int
) -> Iterator[tuple[int, Picture]]:
    piece = max(1, HELD // (facts.width * facts.height * 3))
    for end in range(length, 0, -piece):
        start = max(0, end - piece)
        pictures = footage_frames(path, facts, field=field, max_frames=max_frames, start=start)
        held = list(islice(pictures, end - start))
        for number in range(end - 1, start - 1, -1):
            yield number, held.pop()

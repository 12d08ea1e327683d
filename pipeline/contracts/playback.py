"""A video as players take it that want it in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Playlist:
    """The segments of a video that are there, from the first on."""

    fps: Fraction
    frames: tuple[int, ...]
    """Of each segment."""
    complete: bool
    """Whether there will be no more."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a video, or what comes before the first."""

    data: bytes
    final: bool
    """Whether it is one of the finished video: of one that is being made, it may be made anew otherwise."""

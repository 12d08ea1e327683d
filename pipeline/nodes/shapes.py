"""In what rate and of what shape frames are made, and where in them the face is."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from pipeline.contracts import Face, Picture

SHORTEST: Final = 128
"""Pixels of a side of a clip, at least."""
LONGEST: Final = 3840
"""The same at most."""


def frame_rate(rate: float) -> Fraction:
    """The exact rate that a decimal one means: 29.97 is 30000/1001, 25 is 25."""
    for whole in (24, 30, 48, 60):
        if abs(rate - whole * 1000 / 1001) < 0.005:
            return Fraction(whole * 1000, 1001)
    return Fraction(rate).limit_denominator(1001)


def frame_size(shape: tuple[int, int], width: int | None, height: int | None, shorter: int) -> tuple[int, int]:
    """Width and height of frames of a picture of this shape, even: what is not given follows from the shape; where
    neither is, the shorter side is `shorter`. At most as long as a `Side` may be."""
    ratio = shape[0] / shape[1]
    if width is None and height is None:
        width, height = (shorter, None) if ratio <= 1 else (None, shorter)
    if width is None:
        width = _even((height or shorter) * ratio)
    elif height is None:
        height = _even(width / ratio)
    return width, height or shorter


def _even(length: float) -> int:
    return min(max(2 * round(length / 2), SHORTEST), LONGEST)


def seen(picture: Picture, face: Face) -> tuple[tuple[int, int], tuple[float, float]]:
    """Width and height of a picture, and where in it, as shares of these, the middle of its face is."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = face.box
    return (width, height), (_share(x0 + x1, width), _share(y0 + y1, height))


def _share(twice: float, length: int) -> float:
    return round(min(max(twice / 2 / length, 0.0), 1.0), 4)

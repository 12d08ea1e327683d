"""OpenCV's line and polygon drawing on single-channel maps, with edges smoothed and coordinates in fixed point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

SUBPIXEL: Final = 4
"""Binary digits of the fraction in the coordinates: 16 is one pixel."""

Fixed = NDArray[np.int32]
"""(n, 2) x, y in sixteenths of a pixel."""


def fill(tones: NDArray[Any], outline: Fixed, tone: float, smoothed: bool = True) -> None:
    cv2.fillPoly(tones, [outline], (float(tone),), cv2.LINE_AA if smoothed else cv2.LINE_8, SUBPIXEL)


def lines(tones: NDArray[Any], paths: Sequence[Fixed], tone: float, thickness: int = 1, smoothed: bool = True) -> None:
    how = cv2.LINE_AA if smoothed else cv2.LINE_8
    cv2.polylines(tones, list(paths), False, (float(tone),), thickness, how, SUBPIXEL)


def disc(tones: NDArray[Any], x: float, y: float, radius: float, tone: float, thickness: int = -1) -> None:
    """A disc, or a ring where `thickness` is positive; x, y and radius in pixels."""
    at = (round(x * (1 << SUBPIXEL)), round(y * (1 << SUBPIXEL)))
    cv2.circle(tones, at, round(radius * (1 << SUBPIXEL)), (float(tone),), thickness, cv2.LINE_AA, SUBPIXEL)


def resized(field: NDArray[np.float32], width: int, height: int, way: int = cv2.INTER_LINEAR) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(field, (width, height), interpolation=way), np.float32)

"""What of a face is replaced: a mask from its labels, and how it fades into the picture.

As MuseTalk @ 0a89dec does it (face_parsing/__init__.py, blending.py), once an avatar.
"""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deployments.backends.lipsync.musetalk.labels import LOWER_LIP, MOUTH, NECK, NOSE, SIDE, SKIN, UPPER_LIP, Labels

Mode = Literal["raw", "neck", "jaw"]
"""raw: skin, lips and mouth, version 1.0. neck: and the neck. jaw: skin made larger and its cheeks smaller, without
the nose, version 1.5."""

CHEEKS: Final = 90
"""Pixels from the middle, of 512, at which the cheeks begin."""

FADE: Final = 0.05
"""Width of the Gaussian window that softens the mask, in sides of the square."""

UPPER: Final = 0.5
"""Of the square's height, from the top: nothing is replaced there."""


def cone() -> NDArray[np.uint8]:
    """(33, 33) neighbourhood that the skin grows by: six pixels down, sixteen up, where it is narrower."""
    kernel = np.zeros((33, 33), np.uint8)
    for row in range(10, 33):
        half = min(row - 10, 10)
        kernel[row, 16 - half : 17 + half] = 1
    return kernel


def cheek() -> NDArray[np.uint8]:
    """(3, 35) neighbourhood that the cheeks shrink by, twice."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (35, 3)).astype(np.uint8)


def replaced(labels: Labels, mode: Mode, cheeks: int = CHEEKS) -> NDArray[np.uint8]:
    """(512, 512) of 0 and 255: what of the square the network's face replaces."""
    inside = [MOUTH, UPPER_LIP, LOWER_LIP]
    if mode != "jaw":
        wanted = [SKIN, *inside, NECK] if mode == "neck" else [SKIN, *inside]
        return np.where(np.isin(labels, wanted), 255, 0).astype(np.uint8)
    grown = cv2.dilate(np.where(labels == SKIN, 255, 0).astype(np.uint8), cone())
    shrunk = cv2.erode(grown, cheek(), iterations=2)
    # As a rectangle drawn with both its ends: from the middle, so many pixels to either side, those included.
    x = np.arange(SIDE)
    outer = (x <= SIDE // 2 - cheeks) | (x >= SIDE // 2 + cheeks)
    skin = np.where(outer, shrunk, grown)
    skin[labels == NOSE] = 0
    skin[np.isin(labels, inside)] = 255
    return skin.astype(np.uint8)


def fade_size(side: int, fade: float = FADE) -> int:
    """Odd width in pixels of the Gaussian window for a square of that side."""
    return int(fade * side // 2 * 2) + 1


def faded(
    mask: NDArray[np.uint8], square: tuple[int, int, int, int], box: tuple[int, int, int, int], fade: float = FADE
) -> NDArray[np.uint8]:
    """The mask at the square's own size, cut to the face's box and the lower part of the square, with soft edges.

    (side, side) uint8, 255 where the picture is replaced altogether. The fade goes beyond the box, where there is
    nothing to replace the picture with: only what is in the box counts.
    """
    side = square[2] - square[0]
    small = np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BICUBIC))
    left, right = (min(max(edge - square[0], 0), side) for edge in (box[0], box[2]))
    top, bottom = (min(max(edge - square[1], 0), side) for edge in (box[1], box[3]))
    top = max(top, int(side * UPPER))
    kept = np.zeros((side, side), np.uint8)
    kept[top:bottom, left:right] = small[top:bottom, left:right]
    window = fade_size(side, fade)
    return cv2.GaussianBlur(kept, (window, window), 0).astype(np.uint8)

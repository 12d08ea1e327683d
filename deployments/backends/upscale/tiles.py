"""Enlarging a picture in tiles that overlap, so that no seam shows and memory stays flat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture

Enlarge = Callable[[Picture], NDArray[np.float32]]
"""A (h, w, 3) uint8 tile to (h * scale, w * scale, 3) float32 in [0, 255]."""


def enlarged(picture: Picture, enlarge: Enlarge, scale: int, tile: int, overlap: int) -> Picture:
    """`enlarge` of the whole picture, worked out in tiles of `tile` pixels a side that share `overlap` pixels.

    Of what two tiles share, the outer quarter of each is thrown away, since it was made without its neighbours, and
    the half between is blended from one to the other. A network that looks no further than overlap / 4 pixels around
    each gives what it gives for the whole, within rounding; one that looks further gives something that changes
    gradually instead of at a line. Needs the memory of one row of tiles besides the result.
    """
    if overlap % 4 or not 0 <= overlap <= tile // 2:
        raise ValueError(f"overlap is {overlap}; it must be a multiple of 4 and at most half of tile, {tile}")
    height, width = picture.shape[:2]
    result = np.empty((height * scale, width * scale, 3), np.uint8)
    rows, columns = _starts(height, tile, overlap), _starts(width, tile, overlap)
    band: Any = None  # float sums of the rows that the next tiles have a share in as well
    for number, top in enumerate(rows):
        bottom = min(top + tile, height)
        sums = np.zeros(((bottom - top) * scale, width * scale, 3), np.float32)
        if band is not None:
            sums[: len(band)] = band
        down = _weights(bottom - top, overlap, number > 0, number < len(rows) - 1, scale)
        for place, left in enumerate(columns):
            right = min(left + tile, width)
            across = _weights(right - left, overlap, place > 0, place < len(columns) - 1, scale)
            made = enlarge(np.ascontiguousarray(picture[top:bottom, left:right]))
            sums[:, left * scale : right * scale] += made * (down[:, None] * across)[..., None]
        done = (rows[number + 1] - top if number < len(rows) - 1 else bottom - top) * scale
        result[top * scale : top * scale + done] = np.clip(np.rint(sums[:done]), 0, 255).astype(np.uint8)
        band = sums[done:]
    return result


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin: each shares `overlap` pixels with the one before it, and the last ends with the picture."""
    step = tile - overlap
    return [0, *range(step, length - overlap, step)]


def _weights(length: int, overlap: int, before: bool, after: bool, scale: int) -> NDArray[np.float32]:
    """(length * scale,) shares of a tile in the result: together with the next tile's they are 1 everywhere."""
    weights = np.ones(length * scale, np.float32)
    outer, ramp = overlap // 4 * scale, overlap // 2 * scale
    rise = (np.arange(ramp, dtype=np.float32) + 0.5) / max(1, ramp)
    if before and overlap:
        weights[:outer] = 0
        weights[outer : outer + ramp] = rise
    if after and overlap:
        weights[len(weights) - outer :] = 0
        weights[len(weights) - outer - ramp : len(weights) - outer] = rise[::-1]
    return weights

"""Resampling along one axis as a matrix: a box with fractional edges is cut out, or a picture put into one.

Pictures are resampled by a matrix for the rows and one for the columns. Coordinates are those of edges: pixel k lies
from k to k + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Kernel = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation."""
    return np.maximum(0, 1 - np.abs(x))


def lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lanczos' window of four lobes: OpenCV's INTER_LANCZOS4."""
    return np.where(np.abs(x) < 4, np.sinc(x) * np.sinc(x / 4), 0)


REACH: Final[dict[Kernel, int]] = {triangle: 1, lanczos: 4}
"""Pixels on either side beyond which a kernel is zero."""


def matrix(size: int, start: float, step: float, count: int, kernel: Kernel) -> NDArray[np.float64]:
    """(count, size) weights that make `count` samples, `step` apart, of `size` pixels; rows sum to 1.

    The first sample's left edge is at `start`. Steps longer than a pixel widen the kernel, so that nothing is skipped.
    What lies outside is taken for the nearest pixel.
    """
    centre = start + (np.arange(count) + 0.5) * step
    wide = max(1.0, step)
    reach = REACH[kernel] * wide
    first = np.floor(centre - reach - 0.5).astype(np.int64)
    at = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weights = kernel((at + 0.5 - centre[:, None]) / wide)
    weights /= weights.sum(axis=1, keepdims=True)
    found = np.zeros((count, size))
    np.add.at(found, (np.arange(count)[:, None], np.clip(at, 0, size - 1)), weights)
    return found

"""Points that a detector found in every frame of a film, held steady."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WINDOW: Final = 9
"""Frames that the smoothing looks at, the frame in the middle."""
ORDER: Final = 2


def steadied(meshes: Sequence[Array | None]) -> list[Array | None]:
    """The same meshes with less of the detector's noise; each run of frames with a face by itself.

    Savitzky and Golay's filter (1964): a parabola through nine frames. It does not lag, leaves steady movement and
    steady acceleration as they are, and halves noise that differs from frame to frame. Runs of fewer than nine frames
    take the longest odd window that fits; of one or two, none.
    """
    from scipy.signal import savgol_filter

    found = list(meshes)
    start = 0
    while start < len(found):
        end = start
        while end < len(found) and found[end] is not None:
            end += 1
        count = end - start
        window = min(WINDOW, count - 1 + count % 2)
        if window > ORDER:
            run = np.stack([mesh for mesh in found[start:end] if mesh is not None])
            found[start:end] = list(savgol_filter(run, window, ORDER, axis=0))
        start = end + 1
    return found

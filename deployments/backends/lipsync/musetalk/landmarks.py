"""Points of a face: the 68 that the box is made of, taken from the mesh, and held steady over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

Array = NDArray[np.float64]

MESH: Final = (
    *(127, 93, 58, 172, 136, 150, 176, 148, 152, 377, 400, 379, 365, 397, 288, 323, 356),  # jaw
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
    *(168, 197, 195, 4),  # bridge of the nose
    *(98, 97, 2, 326, 327),  # below it
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # lips, outside
    *(78, 82, 13, 312, 308, 317, 14, 87),  # inside
)
"""Face mesh indices nearest to the 68 points of the iBUG annotation (Sagonas et al. 2013), in their order.

The box needs the widest points of the jaw, the chin and point 29 only. That one is two thirds of the way from between
the eyes to the tip of the nose, of which vertex 195 is the mesh's."""

JAW_EARS: Final = (234, 454)
"""The widest points of the mesh's outline: the jaw at the ears."""

WINDOW: Final = 9
"""Frames that the smoothing looks at, the frame in the middle."""
ORDER: Final = 2


def sixty_eight(mesh: Array) -> Array:
    """(68, 2) of a (478, 2) mesh. The ends of the jaw are its widest points."""
    points = mesh[list(MESH)].copy()
    points[[0, 16]] = mesh[list(JAW_EARS)]
    return points


def steadied(meshes: Sequence[Array | None]) -> list[Array | None]:
    """The same meshes with less of the detector's noise; each run of frames with a face by itself.

    Savitzky and Golay's filter (1964): a parabola through nine frames. It does not lag, leaves steady movement and
    steady acceleration as they are, and halves noise that differs from frame to frame. Runs of fewer than nine frames
    take the longest odd window that fits; of one or two, none.
    """
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

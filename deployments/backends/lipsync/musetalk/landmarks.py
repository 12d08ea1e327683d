"""Points of a face: the 68 that the box is made of, taken from the mesh."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

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


def sixty_eight(mesh: Array) -> Array:
    """(68, 2) of a (478, 2) mesh. The ends of the jaw are its widest points."""
    points = mesh[list(MESH)].copy()
    points[[0, 16]] = mesh[list(JAW_EARS)]
    return points

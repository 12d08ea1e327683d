"""The box of a face that the network sees, and the square around it that is masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BRIDGE: Final = 29
"""Number of the point of the nose, among 68, that lies in the middle of the box; what is below it is drawn."""

CHIN_MARGIN: Final = 10 / 256
"""Of the box's height, added below the chin for version 1.5: the 10 pixels of the reference where the box is as high
as the network's picture. Trained with 10 pixels more or less."""

EXPANSION: Final = 1.5
"""Side of the masked square, in longer sides of the box."""


@dataclass(frozen=True, slots=True)
class Box:
    """Left, top, right and bottom edges in pixels, not rounded; pixel k lies from k to k + 1."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    def moved(self, scale: float, right: float, down: float) -> Box:
        """Scaled about the origin, then moved."""
        return Box(self.x0 * scale + right, self.y0 * scale + down, self.x1 * scale + right, self.y1 * scale + down)

    def rounded(self) -> tuple[int, int, int, int]:
        """The whole pixels nearest to it."""
        return round(self.x0), round(self.y0), round(self.x1), round(self.y1)


def face_box(points: NDArray[np.float64], shift: float = 0) -> Box | None:
    """The box of a face with these (68, 2) points, its middle `shift` pixels below the bridge of the nose.

    From jaw to jaw, and as far above the middle as the chin is below it, but not above the picture. None where there
    is no such box or it begins left of the picture: the reference then takes a detector's box.
    """
    x, y = points[:, 0], points[:, 1].copy()
    y[BRIDGE] += shift
    middle, bottom = float(y[BRIDGE]), float(y.max())
    box = Box(float(x.min()), max(0.0, 2 * middle - bottom), float(x.max()), bottom)
    return box if box.width > 0 and box.height > 0 and box.x0 >= 0 else None


def with_chin(box: Box, margin: float, height: int) -> Box:
    """The box with `margin` pixels more below, but not below a picture of that height."""
    return Box(box.x0, box.y0, box.x1, min(box.y1 + margin, float(height)))


def square_around(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The square that is masked, in whole pixels; it may leave the picture."""
    x0, y0, x1, y1 = box
    x, y = (x0 + x1) // 2, (y0 + y1) // 2
    half = int(max(x1 - x0, y1 - y0) // 2 * EXPANSION)
    return x - half, y - half, x + half, y + half

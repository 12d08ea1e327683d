"""Coordinates in which every mouth is alike.

The origin lies between the inner corners, below the middle of the upper lip; x runs from the picture's left corner
(-1) to its right one (1), y down the face. One unit of y, `unit` pixels, is half the inner mouth's width. A face that
is turned has a short and a long side: x is measured on each side's own scale, `left` and `right` pixels a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

INNER_UPPER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
INNER_LOWER: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OUTER_UPPER: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
OUTER_LOWER: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""MediaPipe face mesh indices, each row from the picture's left to its right; OVAL goes around the face."""

GRID: Final = np.linspace(-1.3, 1.3, 209, dtype=np.float32)
"""Where the lip curves are tabulated."""


@dataclass(frozen=True, slots=True)
class MouthFrame:
    """Half widths and lengths are in units unless they say pixels; curves are y over GRID."""

    origin: Array
    axes: Array
    """(2, 2): rows are the unit vectors of x and y in pixels."""
    unit: float
    left: float
    right: float
    rest: float
    """Half width of the same mouth when it doesn't smile."""
    upper: Array
    """The upper lip's inner edge."""
    lower: Array
    """The lower lip's inner edge."""
    line: Array
    """The line along which the lips meet when closed, as the picture's mouth is curved."""
    upper_outer: Array
    lower_outer: Array
    nose: float
    chin: float
    smile: float
    """0 is a resting mouth, 1 a broad smile."""

    def to_mouth(self, points: Array) -> tuple[Array, Array]:
        """Pixels (..., 2) to x, y."""
        offset = points - self.origin
        across = offset @ self.axes[0]
        return across / np.where(across < 0, self.left, self.right).astype(np.float32), offset @ self.axes[
            1
        ] / self.unit

    def to_pixels(self, x: Array, y: Array) -> Array:
        across = x * np.where(x < 0, self.left, self.right).astype(np.float32)
        return self.origin + across[..., None] * self.axes[0] + (y * self.unit)[..., None] * self.axes[1]

    @property
    def cut(self) -> float:
        """How much of the rim of open lips is cut off, because landmarks lie a little inside the mouth."""
        return 0.045 if self.gap > 0.01 else 0.0

    @property
    def gap(self) -> float:
        """The largest opening between the lips in the picture."""
        return float((self.lower - self.upper).max())

    def at(self, curve: Array, x: Array) -> Array:
        """A curve's y at any x; level outside the corners."""
        return np.interp(x, GRID, curve).astype(np.float32)


def _curve(x: Array, y: Array, ends: tuple[float, float] | None) -> Array:
    """Through points from left to right, smoothed; outside the outermost ones level at `ends` or at their own y."""
    order = np.argsort(x, kind="stable")
    fine = np.interp(GRID, x[order], y[order]).astype(np.float32)
    if ends is not None:
        fine = np.where(GRID < -1, ends[0], np.where(GRID > 1, ends[1], fine)).astype(np.float32)
    kernel = np.hanning(23).astype(np.float32)
    kernel /= kernel.sum()
    return np.convolve(np.pad(fine, 11, mode="edge"), kernel, mode="valid").astype(np.float32)


def mouth_frame(landmarks: Array, luma: NDArray[np.uint8]) -> MouthFrame:
    """Measures the mouth of a picture from its (478, 3) landmarks; `luma` refines the line of closed lips."""
    points = landmarks[:, :2].astype(np.float32)
    corners = points[[78, 308]]
    across = corners[1] - corners[0]
    width = float(np.hypot(*across))
    size = float(max(luma.shape))
    if width < size * 0.01:
        # A mouth seen edge-on: any direction will do, nothing of it shows.
        across, width = np.array([1, 0], np.float32), size * 0.01
    axis = (across / np.hypot(*across)).astype(np.float32)
    axes = np.stack([axis, np.array([-axis[1], axis[0]], np.float32)])
    unit = width / 2
    middle = float((points[[13, 14]].mean(axis=0) - corners[0]) @ axis)
    left = float(np.clip(middle, 0.5 * unit, 1.5 * unit))
    origin = (corners[0] + axis * left).astype(np.float32)
    right = width - left
    frame = MouthFrame(origin, axes, unit, left, right, 1.0, *[GRID] * 5, 0.0, 0.0, 0.0)

    def curve(indices: tuple[int, ...], level: bool) -> Array:
        x, y = frame.to_mouth(points[list(indices)])
        return _curve(x, y, (float(y[0]), float(y[-1])) if level else None)

    upper, lower = curve(INNER_UPPER, True), curve(INNER_LOWER, True)
    lower = np.maximum(lower, upper)
    nose = float(frame.to_mouth(points[2])[1])
    chin = float(frame.to_mouth(points[152])[1])
    eyes = float(np.hypot(*(points[468] - points[473])))
    # Resting mouths are about 0.62 of the distance between the pupils between the inner corners.
    smile = float(np.clip((width / max(eyes, 1.0) - 0.68) / 0.22, 0, 1))
    middle_y = float(np.interp(0, GRID, (upper + lower) / 2))
    lifted = float(np.clip((middle_y - 0.05) / 0.2, 0, 1))
    smile = max(smile * (0.4 + 0.6 * lifted), 0.0)
    line = (upper + 0.42 * (lower - upper)).astype(np.float32)
    if float((lower - upper).max()) < 0.09:
        line = _darkest(frame, line, luma)
        upper = lower = line
    return MouthFrame(
        origin=origin,
        axes=axes,
        unit=unit,
        left=left,
        right=right,
        rest=1 - 0.17 * smile,
        upper=upper,
        lower=lower,
        line=line,
        upper_outer=np.minimum(curve(OUTER_UPPER, False), upper - 0.02).astype(np.float32),
        lower_outer=np.maximum(curve(OUTER_LOWER, False), lower + 0.02).astype(np.float32),
        nose=min(nose, -0.25),
        chin=max(chin, 0.8),
        smile=smile,
    )


def _darkest(frame: MouthFrame, line: Array, luma: NDArray[np.uint8]) -> Array:
    """Moves the line of closed lips onto the dark line in the picture, where there is one near it."""
    offsets = np.linspace(-0.14, 0.14, 29, dtype=np.float32)
    x = np.broadcast_to(GRID, (29, len(GRID)))
    at = frame.to_pixels(x, line[None] + offsets[:, None])
    soft = cv2.GaussianBlur(luma, (0, 0), max(0.6, frame.unit * 0.03))
    seen = cv2.remap(soft, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    depth = np.maximum(np.median(seen, axis=0) - seen - 3, 0) * (1 - (offsets[:, None] / 0.16) ** 2)
    weight = depth**2
    kernel = np.hanning(41).astype(np.float32)
    kernel /= kernel.sum()
    total, moment = weight.sum(axis=0), (weight * offsets[:, None]).sum(axis=0)
    total = np.convolve(np.pad(total, 20, mode="edge"), kernel, mode="valid")
    moment = np.convolve(np.pad(moment, 20, mode="edge"), kernel, mode="valid")
    inside = np.clip((1.08 - np.abs(GRID)) / 0.15, 0, 1)
    return (line + moment / (total + 20.0) * inside).astype(np.float32)

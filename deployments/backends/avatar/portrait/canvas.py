"""The sheet a portrait is painted on, and the brushes: soft polygons, gradients, compositing.

All drawing is in face units: the origin lies between the pupils, x to the right, y down, and 1 is half the
width of an average face. The sheet has a fixed size; other sizes are resampled from it, so a portrait is the
same picture at every size.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from deployments.backends.avatar.portrait import brush

Field = NDArray[np.float32]
"""(height, width) float32, usually 0 to 1."""

Points = NDArray[np.float64]
"""(n, 2) x, y in face units."""

SIDE: Final = 1024
"""Pixels of the square sheet."""
UNIT: Final = 197.0
"""Pixels of one face unit on the sheet: a face is then about 0.43 of the height, so a talking crop keeps nearly all."""
ORIGIN: Final = (512.0, 462.0)
"""Pixel of the sheet that is the origin of the face units."""


def spline(points: Points | list[tuple[float, float]], count: int = 64, closed: bool = False) -> Points:
    """`count` points on the Catmull-Rom curve through `points` (n, 2), n >= 2, evenly spread over its spans."""
    knots = np.asarray(points, float)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
        spans = len(knots)
    else:
        padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
        spans = len(knots) - 1
    at = np.linspace(0, spans, count, endpoint=not closed)
    index = np.minimum(at.astype(int), spans - 1)
    t = (at - index)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def shifted(points: Points, dx: float, dy: float) -> Points:
    return points + np.array([dx, dy])


def mirror(points: Points | list[tuple[float, float]]) -> Points:
    """The same points on the other side of the face, in reverse order, so that a closed outline stays simple."""
    return (np.asarray(points, float) * (-1, 1))[::-1]


def smooth(low: ArrayLike, high: ArrayLike, value: ArrayLike) -> Field:
    """Hermite step: 0 up to `low`, 1 from `high` (either order), smooth between."""
    low, high, value = (np.asarray(number, np.float32) for number in (low, high, value))
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blurred(field: Field, sigma: float) -> Field:
    """Gaussian blur by `sigma` pixels; wide ones work on a reduced copy, as the result has no detail to lose."""
    if sigma < 0.3:
        return field
    height, width = field.shape[:2]
    factor = int(max(1, min(sigma / 3, height / 8, width / 8)))
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
    small = brush.resized(field, max(1, width // factor), max(1, height // factor), cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_REPLICATE)
    return brush.resized(np.asarray(soft, np.float32), width, height, cv2.INTER_CUBIC)


def hairs(root: Points, bend: Points, tip: Points, thick: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 12, 2) outlines of n short hairs, each bent (a quadratic curve) and tapering from `thick` (n,) to nothing."""
    t = np.linspace(0, 1, 6)[None, :, None]
    a, b, c = (points[:, None, :] for points in (root, bend, tip))
    spine = a * (1 - t) ** 2 + 2 * b * t * (1 - t) + c * t**2
    along = np.gradient(spine, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], -1) / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9)
    half = normal * (np.linspace(0.5, 0.05, 6)[None, :] * thick[:, None])[..., None]
    return np.concatenate([spine + half, (spine - half)[:, ::-1]], axis=1)


def to_pixels(points: Points) -> Points:
    """Face units to pixels of the sheet."""
    return np.asarray(points, float) * UNIT + ORIGIN


class Patch:
    """A rectangle of the sheet to paint on, clipped to the sheet. Corners are in face units."""

    def __init__(self, pixels: Field, x0: float, y0: float, x1: float, y1: float) -> None:
        height, width = pixels.shape[:2]
        (left, top), (right, bottom) = to_pixels(np.array([[x0, y0], [x1, y1]]))
        self.left = int(np.clip(np.floor(left), 0, width - 1))
        self.top = int(np.clip(np.floor(top), 0, height - 1))
        right, bottom = int(np.clip(np.ceil(right), 1, width)), int(np.clip(np.ceil(bottom), 1, height))
        self.right, self.bottom = max(right, self.left + 1), max(bottom, self.top + 1)
        self.pixels: Field = pixels[self.top : self.bottom, self.left : self.right]
        """(height, width, 3) view of the sheet: painting here paints the sheet."""

    @classmethod
    def around(cls, pixels: Field, points: Points, margin: float) -> Patch:
        low, high = np.min(points, axis=0) - margin, np.max(points, axis=0) + margin
        return cls(pixels, low[0], low[1], high[0], high[1])

    @property
    def shape(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    @cached_property
    def x(self) -> Field:
        """(1, width) face units of the pixel centres."""
        return ((np.arange(self.left, self.right, dtype=np.float32) - ORIGIN[0]) / UNIT)[None, :]

    @cached_property
    def y(self) -> Field:
        """(height, 1) face units of the pixel centres."""
        return ((np.arange(self.top, self.bottom, dtype=np.float32) - ORIGIN[1]) / UNIT)[:, None]

    def fixed(self, points: Points) -> NDArray[np.int32]:
        """Points in this patch's fixed-point pixels, as OpenCV takes them with shift=4."""
        local = to_pixels(points) - (self.left, self.top)
        return np.round(np.clip(local, -4000, 4000) * (1 << brush.SUBPIXEL)).astype(np.int32)

    def fill(self, *outlines: Points, blur: float = 0.0) -> Field:
        """1 inside any of the closed outlines, 0 outside, edges smoothed by `blur` face units (sigma)."""
        mask = np.zeros(self.shape, np.uint8)
        for outline in outlines:
            brush.fill(mask, self.fixed(outline), 255)
        return blurred(mask.astype(np.float32) / 255, blur * UNIT)

    def stroke(self, line: Points, width: Points | float, blur: float = 0.0) -> Field:
        """A line with the given width in face units, one number or one for each point (a brush that tapers)."""
        line = np.asarray(line, float)
        along = np.gradient(line, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
        half = np.broadcast_to(np.asarray(width, float) / 2, (len(line),))[:, None]
        return self.fill(np.concatenate([line + normal * half, (line - normal * half)[::-1]]), blur=blur)

    def spot(self, x: float, y: float, sx: float, sy: float, turn: float = 0.0) -> Field:
        """A Gaussian with peak 1 at (x, y), sigmas sx and sy, turned clockwise by `turn` radians."""
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        if turn:
            cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            a, b = (dx * cos + dy * sin) / sx, (dy * cos - dx * sin) / sy
            return np.exp(-0.5 * (a * a + b * b)).astype(np.float32)
        return (np.exp(-0.5 * (dx / sx) ** 2) * np.exp(-0.5 * (dy / sy) ** 2)).astype(np.float32)

    def over(self, alpha: Field, colour: Field | tuple[float, float, float]) -> None:
        """Paints `colour`, one or one for each pixel, through `alpha`."""
        self.pixels += alpha[..., None] * (np.asarray(colour, np.float32) - self.pixels)

    def multiply(self, alpha: Field, colour: Field | tuple[float, float, float]) -> None:
        """Glazes: multiplies by `colour` through `alpha`."""
        self.pixels *= 1 - alpha[..., None] * (1 - np.asarray(colour, np.float32))

    def screen(self, alpha: Field, colour: Field | tuple[float, float, float]) -> None:
        """Adds light without passing white."""
        self.pixels += alpha[..., None] * np.asarray(colour, np.float32) * (1 - np.clip(self.pixels, 0, 1))


def grain(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Field:
    """Smooth noise of mean 0 and deviation 1 whose features are about `cell` pixels wide."""
    rows, cols = (max(2, int(n / cell) + 2) for n in shape)
    noise = rng.standard_normal((rows, cols)).astype(np.float32)
    field = brush.resized(noise, shape[1], shape[0], cv2.INTER_CUBIC)
    return (field - field.mean()) / (field.std() + 1e-6)

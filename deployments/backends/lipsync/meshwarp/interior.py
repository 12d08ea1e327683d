"""What is seen between the lips: teeth, tongue and the dark behind them.

Three textures in the coordinates of MouthFrame, x on one scale for both sides. The upper teeth stay with the skull:
the photo's own where it shows them, else drawn ones of the proportions of a mean dentition (central incisor 8.5 mm,
lateral 6.5 mm, canine 7.5 mm, narrowing along the arch). The lower teeth and the tongue go with the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.fields import step
from deployments.backends.lipsync.meshwarp.mouth_frame import GRID, MouthFrame

Array = NDArray[np.float32]

LEFT: Final = 1.35
TOP: Final = 0.85
"""The textures' first column and row lie at x = -LEFT and y = -TOP."""
ROWS: Final = 2.2
UPPER_EDGES: Final = (0.0, 0.32, 0.57, 0.79, 0.96, 1.1)
LOWER_EDGES: Final = (0.0, 0.20, 0.40, 0.61, 0.80, 0.97)
"""Where a half arch's teeth begin and end, in resting half mouth widths."""
UPPER_LENGTH: Final = 0.09
"""How far the upper teeth reach below the line of the closed lips."""


@dataclass(frozen=True, slots=True)
class Interior:
    """`textures` is (3, rows, columns) uint32 texels: tongue, lower teeth, upper teeth. `scale` is texels a unit."""

    textures: NDArray[np.uint32]
    scale: float
    cavity: tuple[float, float, float]


def pack(yuv: Array | NDArray[np.uint8], alpha: Array) -> NDArray[np.uint32]:
    """(h, w, 3) and (h, w) in 0..255 to texels: Y in the lowest byte, alpha in the highest."""
    planes = np.dstack([yuv, alpha]).clip(0, 255) + 0.5
    bytes_ = planes.astype(np.uint8).astype(np.uint32)
    return bytes_[..., 0] | bytes_[..., 1] << 8 | bytes_[..., 2] << 16 | bytes_[..., 3] << 24


def _arch(x: Array, edges: tuple[float, ...]) -> tuple[Array, NDArray[np.int64]]:
    """Position across its tooth (-1..1) and the tooth's number, for a half arch mirrored at 0."""
    limits = np.array(edges, np.float32)
    tooth = np.clip(np.searchsorted(limits, np.abs(x), side="right") - 1, 0, len(edges) - 2)
    start, end = limits[tooth], limits[tooth + 1]
    return ((np.abs(x) - start) / (end - start) * 2 - 1).astype(np.float32), tooth


def _drawn_teeth(x: Array, y: Array, line: float, white: Array, upper: bool, blur: float) -> tuple[Array, Array]:
    """A row of teeth: (h, w, 3) and alpha 0..1. `blur` is a texel's width in units."""
    across, tooth = _arch(x, UPPER_EDGES if upper else LOWER_EDGES)
    lengths = np.array([1.0, 0.7, 0.95, 0.6, 0.4] if upper else [1.0, 1.0, 0.95, 0.8, 0.6], np.float32)[tooth]
    if upper:
        edge = line + UPPER_LENGTH - 0.05 * x**2 + 0.03 * (lengths - 1) - 0.035 * np.abs(across) ** 5
        depth = edge - y
    else:
        edge = line + 0.075 + 0.03 * x**2 - 0.02 * (lengths - 1) + 0.025 * np.abs(across) ** 5
        depth = y - edge
    alpha = np.clip(depth / (1.6 * blur) + 0.5, 0, 1)
    light = 1 - 0.10 * across**2 - 0.34 * x**2
    light *= 1 - 0.30 * step(0.90, 1.04, np.abs(across)) * step(-0.02, 0.10, depth)
    light *= 1 - 0.10 * (1 - step(0.0, 0.07, depth))
    gum = step(0.36, 0.44, depth - 0.05 * np.abs(across) ** 3)
    luma, blue, red = white
    yuv = np.empty((*x.shape, 3), np.float32)
    yuv[..., 0] = 16 + (luma - 16) * np.clip(light, 0.1, 1) * (1.0 if upper else 0.93) * (1 - 0.42 * gum)
    yuv[..., 1] = blue - 4 * gum
    yuv[..., 2] = red + 20 * gum
    alpha = alpha * (1 - step(1.0, 1.12, np.abs(x)))
    return yuv, alpha.astype(np.float32)


def _photo_teeth(
    frame: MouthFrame, yuv: NDArray[np.uint8], x: Array, y: Array, blur: float
) -> tuple[Array, Array] | None:
    """The picture's own upper teeth, drawn on behind the lips, or None where it shows none."""
    if frame.gap < 0.14:
        return None
    columns = GRID[np.abs(GRID) < 0.98]
    upper, lower = frame.at(frame.upper, columns) + 0.055, frame.at(frame.lower, columns) - 0.045
    t = np.linspace(0, 1, 33, dtype=np.float32)[:, None]
    at = frame.to_pixels(np.broadcast_to(columns, (33, len(columns))), upper + (lower - upper) * t)
    seen = cv2.remap(yuv, at[..., 0], at[..., 1], cv2.INTER_LINEAR).astype(np.float32)
    open_ = (lower - upper) > 0.06
    if open_.sum() < 12:
        return None
    lips = frame.to_pixels(
        np.zeros(2, np.float32), np.array([frame.upper[104] - 0.12, frame.lower[104] + 0.15], np.float32)
    )
    lip = cv2.remap(yuv, lips[None, :, 0], lips[None, :, 1], cv2.INTER_LINEAR).astype(np.float32).mean(axis=(0, 1))
    bright = float(np.percentile(seen[:20][:, open_, 0], 75))
    red = float(np.median(seen[:20][:, open_, 2]))
    if bright < max(lip[0] * 0.95, 70) or red > lip[2] + 2:
        return None
    white = seen[..., 0] > 0.62 * bright
    last = np.where(white.any(axis=0), 32 - np.argmax(white[::-1], axis=0), 0) / 32
    shown = open_ & (white.mean(axis=0) > 0.3)
    if shown.sum() < 12:
        return None
    # Beyond the teeth that the picture shows the row goes on into the dark of the cheek.
    reach = columns[shown].min() + 0.04, columns[shown].max() - 0.04
    kernel = np.hanning(17) / np.hanning(17).sum()
    edge = np.interp(columns, columns[shown], (upper + (lower - upper) * last)[shown])
    edge = np.convolve(np.pad(edge, 8, mode="edge"), kernel, mode="valid").astype(np.float32)

    side = np.where(x < 0, frame.left, frame.right).astype(np.float32) / frame.unit
    own = np.clip(x / side, *reach)
    beyond = np.abs(x / side - own)
    edge_here = np.interp(own, columns, edge).astype(np.float32) - 0.45 * beyond
    # The gum's points between the teeth stay out, else the row would go on above with stripes.
    start = upper + 0.22 * np.maximum(edge - upper, 0)
    top_here = np.minimum(np.interp(own, columns, start), edge_here - 0.03).astype(np.float32)
    place = frame.to_pixels(
        own, np.clip(y + 0.45 * beyond, top_here, np.maximum(edge_here + 0.45 * beyond - 0.02, top_here))
    )
    out = cv2.remap(yuv, place[..., 0], place[..., 1], cv2.INTER_CUBIC).astype(np.float32)
    out[..., 1:] += np.array([-2.0, 2.5], np.float32)
    above = np.maximum(top_here - y, 0)
    fall = (1 - 0.25 * step(0.0, 0.4, above)) * (1 - 0.72 * step(0.0, 0.26, beyond))
    out[..., 0] = 16 + (out[..., 0] - 16) * fall
    alpha = np.clip((edge_here - y) / (2.0 * blur) + 0.5, 0, 1) * (1 - step(0.92, 1.06, np.abs(x / side)))
    return out, alpha.astype(np.float32)


def interior(frame: MouthFrame, yuv: NDArray[np.uint8], closed: float, scale: int) -> Interior:
    """Draws the inside for a (size, size, 3) picture. `closed` is y of the closed lips' line at the middle."""
    texels = float(np.clip(round(frame.unit * scale), 12, 160))
    height, width = int(ROWS * texels) + 1, int(2 * LEFT * texels) + 1
    blur = 1 / texels
    x, y = np.meshgrid(
        np.arange(width, dtype=np.float32) / texels - LEFT, np.arange(height, dtype=np.float32) / texels - TOP
    )
    at = np.array([[0.0, 1.0, -1.0, 0.0, 0.0]], np.float32)
    level = np.array(
        [[frame.nose - 0.5, frame.nose - 0.15, frame.nose - 0.15, frame.lower[104] + 0.14, frame.chin * 0.9]]
    )
    spots = frame.to_pixels(at, level.astype(np.float32))
    skin = cv2.remap(
        cv2.blur(yuv, (int(0.09 * frame.unit) * 2 + 1,) * 2), spots[..., 0], spots[..., 1], cv2.INTER_LINEAR
    )[0].astype(np.float32)
    lip, cheek = skin[3], skin[[0, 1, 2]].mean(axis=0)
    tint = (cheek[1:] - 128) * 0.22 + 128 + np.array([-1.5, 1.0], np.float32)
    white = np.array([np.clip(0.55 * cheek[0] + 92, 105, 212), *tint], np.float32)

    rested = x / frame.rest
    upper = _photo_teeth(frame, yuv, x, y, blur)
    if upper is None:
        upper = _drawn_teeth(rested, y, closed, white, True, blur)
    lower = _drawn_teeth(rested, y, closed, white, False, blur)

    top = closed + 0.10 + 0.30 * rested**2
    inside = y - top
    tongue = np.empty((height, width, 3), np.float32)
    body = np.clip(0.62 * lip[0] + 18, 50, 125)
    round_ = 0.50 + 0.50 * step(0.0, 0.28, inside) - 0.12 * step(0.35, 0.9, inside)
    groove = 1 - 0.12 * np.exp(-((rested / 0.07) ** 2)) * step(0.05, 0.25, inside)
    tongue[..., 0] = 16 + (body - 16) * round_ * groove * (1 - 0.25 * rested**2)
    tongue[..., 1] = 128 + (lip[1] - 128) * 0.6 - 4
    tongue[..., 2] = max(lip[2], 140.0) + 6
    veil = np.clip(inside / 0.07, 0, 1) * (1 - step(0.70, 0.92, np.abs(rested)))

    textures = np.stack([pack(tongue, veil * 255), pack(lower[0], lower[1] * 255), pack(upper[0], upper[1] * 255)])
    cavity = (float(np.clip(20 + 0.07 * lip[0], 22, 34)), 125.0, 139.0)
    return Interior(np.ascontiguousarray(textures), texels, cavity)

"""The head's own movement: small turns, nods, tilts and breath, as a smooth displacement of the whole picture.

The head turns as an ellipsoid in front of a still background: a point's displacement by a turn goes with its depth.
All fields are 1 in the head and smoothly 0 at the picture's edges, so that nothing tears and nothing is uncovered.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.fields import step
from deployments.backends.lipsync.meshwarp.mouth_frame import OVAL
from deployments.backends.lipsync.meshwarp.portrait import PAD, Portrait
from pipeline.contracts import AnimationRequest, Speech

Array = NDArray[np.float32]

MOVES: Final = ("x", "y", "roll", "near", "yaw", "pitch", "breath")
"""Shifts in head heights, roll, yaw and pitch in radians, near as a share of size, breath in head heights."""

RATES: Final = {"x": 0.11, "y": 0.13, "roll": 0.12, "near": 0.08, "yaw": 0.15, "pitch": 0.17, "breath": 0.27}
"""Slowest component, Hz. Three components at incommensurate multiples make the motion look unplanned."""
SPANS: Final = {"x": 0.008, "y": 0.006, "roll": 0.011, "near": 0.008, "yaw": 0.038, "pitch": 0.011, "breath": 0.005}
"""About the standard deviation of natural motion while talking, toned down to what a flat picture bears."""
PARTS: Final = ((1.0, 1.0), (0.55, 1.83), (0.30, 3.37))
"""Weight and multiple of the rate of each component."""


class Head:
    """`field` turns one frame's pose into what _warp.head wants."""

    def __init__(self, portrait: Portrait) -> None:
        size = portrait.size
        points = portrait.landmarks[list(OVAL), :2]
        top, chin = portrait.landmarks[10, :2], portrait.landmarks[152, :2]
        down = chin - top
        self.height = float(np.hypot(*down))
        down = down / max(self.height, 1.0)
        right = np.array([down[1], -down[0]], np.float32)
        centre = points.mean(axis=0)
        width = max(float(np.ptp((points - centre) @ right)) / 2, 0.1 * self.height)
        # Hair and skull reach above and around the oval of the face.
        middle = centre - down * self.height * 0.10
        count = 2 * ((size + 31) // 32) + 1
        grid = np.arange(count, dtype=np.float32) * 16
        px, py = np.meshgrid(grid, grid)
        across = (px - middle[0]) * right[0] + (py - middle[1]) * right[1]
        along = (px - middle[0]) * down[0] + (py - middle[1]) * down[1]
        a, b = across / (width * 1.25), along / (self.height * 0.68)
        radius = np.sqrt(a * a + b * b)
        edge = np.minimum(np.minimum(px, size - 1 - px), np.minimum(py, size - 1 - py))
        inside = step(0.0, 0.10 * size, edge)
        head = (1 - step(0.95, 1.95, radius)) * inside
        # Below the chin the neck hands the motion over to the shoulders, which hardly move.
        fall = 1 - step(0.45, 1.05, along / self.height)
        head *= np.maximum(fall, 0.12)
        # A ball's depth has an edge without end; a cosine bends like it in the middle and ends gently.
        depth = 0.5 * (1 + np.cos(np.pi * np.minimum(radius / 1.3, 1))) * head
        nose = portrait.landmarks[1, :2]
        bump = np.exp(-((px - nose[0]) ** 2 + (py - nose[1]) ** 2) / (0.14 * self.height) ** 2)
        depth = (depth + 0.16 * bump) * (width * 1.25)
        # Heads turn on the neck, so their front moves against a point behind: the axis lies at half depth.
        neck = centre + down * self.height * 0.55
        x, y = px - neck[0], py - neck[1]
        torso = step(0.55, 1.0, along / self.height) * inside
        h = self.height
        bases = {
            "x": (h * head, 0 * head),
            "y": (0 * head, h * head),
            "roll": (-y * head, x * head),
            "near": (x * head, y * head),
            "yaw": (depth * right[0], depth * right[1]),
            "pitch": (-depth * down[0], -depth * down[1]),
            "breath": (0 * head, -h * (torso + 0.5 * head * (1 - torso))),
        }
        self._bases = np.stack([np.stack(bases[name], axis=-1) for name in MOVES]).astype(np.float32)

    def field(self, pose: Array) -> NDArray[np.int32]:
        """(n, n, 2) displacement in 1/1024 pixel at every 16 pixels: where a pixel of the frame comes from."""
        moved = np.einsum("k,kyxc->yxc", -pose, self._bases)
        limit = (PAD - 8) * 1024
        return np.ascontiguousarray(np.clip(np.rint(moved * 1024), -limit, limit).astype(np.int32))


def head_poses(request: AnimationRequest, loudness: Array, first: int) -> Array:
    """(frames, moves) float32 for frames `first` on, of which `loudness` is 0..1, smoothed.

    Sums of sines with seeded phases, so any frame can be made alone; louder speech nods and moves more.
    """
    random = np.random.Generator(np.random.PCG64([request.seed, 1]))
    count = len(loudness)
    time = (np.arange(first, first + count) / float(request.fps)).astype(np.float64)
    out = np.zeros((count, len(MOVES)))
    loud = loudness.astype(np.float64)
    for column, name in enumerate(MOVES):
        phases = random.uniform(0, 2 * np.pi, 3)
        rate = RATES[name] * random.uniform(0.85, 1.15)
        parts = PARTS[:1] if name == "breath" else PARTS
        wave = sum(w * np.sin(2 * np.pi * rate * m * time + p) for (w, m), p in zip(parts, phases, strict=False))
        out[:, column] = SPANS[name] * wave * (1.0 if name == "breath" else 0.65 + 0.5 * loud)
    out[:, MOVES.index("pitch")] -= 0.012 * (loud - 0.4)
    out[:, MOVES.index("y")] += 0.012 * (loud - 0.4)
    return (out * request.head_motion).astype(np.float32)


def loudness(speech: Speech, fps: Fraction, count: int) -> Array:
    """(count,) 0..1: how loud the voice is around each frame, against its own loud parts."""
    samples = speech.samples
    edges = np.minimum(
        (np.arange(count + 1, dtype=np.int64) * speech.sample_rate * fps.denominator) // fps.numerator, len(samples)
    )
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])[edges]
    level = np.sqrt(np.diff(energy) / np.maximum(np.diff(edges), 1))
    reach = max(1, round(0.35 * float(fps)))
    kernel = np.hanning(2 * reach + 3)[1:-1]
    smooth = np.convolve(np.pad(level, reach, mode="edge"), kernel / kernel.sum(), mode="valid")
    return np.clip(smooth / max(float(np.percentile(smooth, 95)), 1e-4), 0, 1).astype(np.float32)

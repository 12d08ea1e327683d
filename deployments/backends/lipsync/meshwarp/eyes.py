"""Blinks and glances.

A closing lid is drawn, not stretched: skin taken from around the eye covers it from above, and the picture's own lash
line rides on the lid's edge. Each (lid, gaze) state of an eye is a small patch, made when first shown and kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.fields import step
from deployments.backends.lipsync.meshwarp.portrait import Patch, Portrait
from pipeline.contracts import AnimationRequest

Array = NDArray[np.float32]
Knot = tuple[float, float]
"""Seconds, and the level then."""

EYES: Final = (
    ((33, 246, 161, 160, 159, 158, 157, 173, 133), (33, 7, 163, 145, 144, 153, 154, 155, 133), 468),
    ((362, 398, 384, 385, 386, 387, 388, 466, 263), (362, 382, 381, 380, 374, 373, 390, 249, 263), 473),
)
"""Face mesh indices: upper lid, lower lid, iris centre, from the picture's left to its right."""

LEVELS: Final = 16
GLANCES: Final = 4
"""Steps of lid and gaze; patches are made for those that occur."""
BLINK: Final = (0.0, 0.30, 0.80, 1.0, 0.95, 0.70, 0.42, 0.20, 0.07, 0.0)
"""Lid closure every 30 ms of a blink: down in 80 ms, up slower (after Trutoiu et al. 2011)."""
BLINK_STEP: Final = 0.030
SACCADE: Final = 0.04
"""Seconds a glance takes."""


class Eye:
    """One eye of a portrait. `patch` is pure: the same lid and gaze give the same pixels."""

    def __init__(self, portrait: Portrait, which: int) -> None:
        upper, lower, iris = EYES[which]
        points = portrait.landmarks[:, :2]
        self._yuv = portrait.yuv
        first, last = points[upper[0]], points[upper[-1]]
        width = max(float(np.hypot(*(last - first))), 4.0)
        right = (last - first) / width
        down = np.array([-right[1], right[0]], np.float32)
        self.width, centre = width, (first + last) / 2
        reach = np.array([0.78, 0.62]) * width
        extent = np.abs(right) * reach[0] + np.abs(down) * reach[1]
        size = portrait.size
        low = np.clip(np.floor(centre - extent), 0, size - 4).astype(int) // 2 * 2
        high = np.clip(np.ceil(centre + extent), low + 4, size).astype(int)
        shape = (high - low) // 2 * 2
        self.x, self.y = int(low[0]), int(low[1])
        px, py = np.meshgrid(np.arange(shape[0], dtype=np.float32), np.arange(shape[1], dtype=np.float32))
        at = np.stack([px + self.x, py + self.y], axis=-1)
        self._at = at
        # u along the eye in -1 .. 1 between its corners, v down it in eye widths
        self._right, self._down, self._centre = right, down, centre
        x, y = at[..., 0] - centre[0], at[..., 1] - centre[1]
        self._u, self._v = 2 * (x * right[0] + y * right[1]) / width, (x * down[0] + y * down[1]) / width

        def curve(indices: tuple[int, ...]) -> Array:
            offset = points[list(indices)] - centre
            u, v = 2 * (offset @ right) / width, (offset @ down) / width
            # A little ridge, so that an eye whose points coincide still has a curve.
            powers = np.stack([np.ones_like(u), u, u**2, u**3, u**4], axis=1).astype(np.float64)
            weights = np.linalg.solve(powers.T @ powers + 1e-4 * np.eye(5), powers.T @ v)
            bound = np.clip(self._u, -1.12, 1.12)
            return np.polynomial.polynomial.polyval(bound, weights).astype(np.float32)

        self._top, self._bottom = curve(upper), curve(lower)
        self._bottom = np.maximum(self._bottom, self._top)
        self.opening = float((self._bottom - self._top).max())
        self._source = np.ascontiguousarray(portrait.yuv[self.y : self.y + shape[1], self.x : self.x + shape[0]])
        offset = points[iris] - centre
        self._iris = (2 * float(offset @ right) / width, float(offset @ down) / width)
        self._lid = self._skin()
        self._patches: dict[tuple[int, int], Patch] = {}

    def _skin(self) -> Array:
        """The patch with the eye healed over by the skin around it, (h, w, 3) float32."""
        source = self._source.astype(np.float32)
        # Known skin: above the lashes and below the lower lid's rim, not the brow.
        above = (self._v < self._top - 0.13) & (self._v > self._top - 0.30)
        below = (self._v > self._bottom + 0.09) & (self._v < self._bottom + 0.30)
        known = (above | below) & (np.abs(self._u) < 1.25)
        luma = source[..., 0]
        if known.any():
            # Lashes, brow hairs and spectacle rims are darker than the skin.
            known &= luma > np.percentile(luma[known], 30) - 8
        if known.any():
            # Metal rims may be as bright, but have another colour.
            tint = source[..., 1:] - np.median(source[known][:, 1:], axis=0)
            known &= np.abs(tint).sum(axis=-1) < 14
        weight = known.astype(np.float32)
        total, mass = np.zeros_like(source), np.zeros_like(luma)
        for share, sigma in ((1.0, 0.045), (0.05, 0.10), (0.002, 0.25)):
            s = max(sigma * self.width, 0.6)
            total += share * cv2.GaussianBlur(source * weight[..., None], (0, 0), s)
            mass += share * cv2.GaussianBlur(weight, (0, 0), s)
        skin = total / (mass[..., None] + 1e-6)
        fine = source - cv2.GaussianBlur(source, (0, 0), max(0.035 * self.width, 0.6))
        # Pores of the skin above the eye, mirrored onto the lid, keep it from looking airbrushed.
        mirror = self._centre + ((self._u * self.width / 2)[..., None] * self._right)
        v = 2 * (self._top - 0.10) - self._v
        mirror = mirror + (np.clip(v, self._top - 0.22, self._top - 0.09) * self.width)[..., None] * self._down
        local = (mirror - np.array([self.x, self.y])).astype(np.float32)
        pores = cv2.remap(fine, local[..., 0], local[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        return skin + np.clip(pores, -5, 5)

    def patch(self, lid: int, gaze: int) -> Patch:
        """The eye with the lid at lid/LEVELS of closed and the gaze at gaze/GLANCES of furthest right."""
        key = (lid, gaze)
        if key not in self._patches:
            self._patches[key] = Patch.of(self._draw(lid / LEVELS, gaze / GLANCES))
        return self._patches[key]

    def _draw(self, lid: float, gaze: float) -> NDArray[np.uint8]:
        source = self._source.astype(np.float32)
        if gaze and self.opening > 0.08:
            source = self._glance(source, gaze)
        if lid <= 0 or self.opening < 0.06:
            return np.clip(source + 0.5, 0, 255).astype(np.uint8)
        texel = 1.0 / self.width
        closed = self._top + 0.97 * (self._bottom - self._top)
        edge = self._top + lid * (closed - self._top)
        u, v = self._u, self._v
        across = 1 - step(0.98, 1.10, np.abs(u))
        lash = 0.055
        out = source.copy()

        # the lid, from under the fold to its edge, with the light of a ball under it
        moved = edge - self._top
        # It begins above the lashes of the open eye, whose line it takes away; a trace of it stays as the fold.
        fold = 0.10 + 0.03 * np.clip(1 - u * u, 0, 1)
        cover = np.clip((edge - v) / texel + 0.5, 0, 1) * step(-fold - 0.05, -fold + 0.03, v - self._top)
        cover *= across * np.clip(moved / 0.05, 0, 1)
        along = np.clip((v - self._top) / np.maximum(moved, 0.02), 0, 1)
        lid_skin = self._lid.copy()
        crease = 0.10 * np.exp(-(((v - self._top + fold - 0.02) / 0.03) ** 2))
        bulge = 1 + 0.05 * np.sin(np.pi * along) - 0.10 * (along**3) - crease - 0.03 - 0.08 * u * u
        lid_skin[..., 0] = 16 + (lid_skin[..., 0] - 16) * bulge
        # the eyeball right below the edge lies in its shadow
        shadow = np.exp(-np.maximum(v - edge, 0) / 0.05) * (v > edge) * across * 0.25 * min(lid * 3, 1.0)
        inside = (v < self._bottom + 0.02).astype(np.float32)
        out[..., 0] = 16 + (out[..., 0] - 16) * (1 - shadow * inside)
        out += (lid_skin - out) * cover[..., None]

        # the lash line rides down on the edge
        back = v - moved
        at = self._centre + (u * self.width / 2)[..., None] * self._right + (back * self.width)[..., None] * self._down
        local = (at - np.array([self.x, self.y])).astype(np.float32)
        ride = cv2.remap(self._source, local[..., 0], local[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        ride = ride.astype(np.float32)
        near = np.exp(-(((v - edge + 0.008) / lash) ** 2) * 1.4) * across
        dark = np.clip((self._lid[..., 0] - ride[..., 0] - 8) / 40, 0, 1)
        line = np.exp(-(((v - edge) / 0.028) ** 2)) * across * 0.55
        alpha = np.clip(np.maximum(near * dark, 0), 0, 1) * min(lid * 4, 1.0)
        line_colour = 128 + (self._lid - 128) * 0.5
        line_colour[..., 0] = np.minimum(ride[..., 0], self._lid[..., 0])
        out += (line_colour - out) * alpha[..., None]
        out[..., 0] = 16 + (out[..., 0] - 16) * (1 - line * min(lid * 4, 1.0) * (1 - alpha))
        return np.clip(out + 0.5, 0, 255).astype(np.uint8)

    def _glance(self, source: Array, gaze: float) -> Array:
        """Moves the iris within the opening."""
        depth = np.minimum(self._v - self._top, self._bottom - self._v) / max(self.opening, 0.05)
        across = np.exp(-(((self._u - self._iris[0]) / 0.62) ** 4))
        shift = gaze * 0.05 * self.width * step(-0.04, 0.16, depth) * across
        local = self._at - np.array([self.x, self.y]) - shift[..., None] * self._right
        local = local.astype(np.float32)
        moved = cv2.remap(source, local[..., 0], local[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.float32)


@dataclass(frozen=True, slots=True)
class Looks:
    """Lid and gaze steps of each frame of a run, (frames,) int."""

    lids: NDArray[np.int64]
    glances: NDArray[np.int64]


class Gaze:
    """Blinks every 2 to 5.5 seconds (as people do in conversation), short glances aside between them.

    Each is drawn by lot in its turn, so that how long the video will be changes nothing.
    """

    def __init__(self, request: AnimationRequest) -> None:
        self._fps = float(request.fps)
        self._lids = _Knots(self._blinks(request.seed) if request.blink else iter(()))
        self._glances = _Knots(_glances(request.seed) if request.head_motion > 0 else iter(()))

    def run(self, first: int, count: int) -> Looks:
        """Frames `first` to `first + count`."""
        time = np.arange(first, first + count) / self._fps
        return Looks(self._lids.steps(time, LEVELS), self._glances.steps(time, GLANCES))

    def _blinks(self, seed: int) -> Iterator[list[Knot]]:
        random = np.random.Generator(np.random.PCG64([seed, 2]))
        at = random.uniform(0.6, 2.4)
        while True:
            # Started on a frame, blinks share their few patches.
            at = round(at * self._fps) / self._fps
            yield [(at + i * BLINK_STEP, level) for i, level in enumerate(BLINK)]
            # now and then twice
            at += 0.34 if random.uniform() < 0.12 else 2.0 + random.gamma(2.0, 0.9)


def _glances(seed: int) -> Iterator[list[Knot]]:
    random = np.random.Generator(np.random.PCG64([seed, 3]))
    at, here = 0.0, 0.0
    while True:
        at += random.uniform(0.8, 2.6)
        there = float(np.clip(random.normal(0, 0.33), -0.8, 0.8)) if here == 0 or random.uniform() < 0.3 else 0.0
        yield [(at, here), (at + SACCADE, there)]
        here = there


class _Knots:
    """A line through knots that are made as far as it is asked for; level before, between and after what they do."""

    def __init__(self, making: Iterator[list[Knot]]) -> None:
        self._making = making
        self._knots: list[Knot] = [(0.0, 0.0)]

    def steps(self, time: NDArray[np.float64], top: int) -> NDArray[np.int64]:
        """Its level at each of these seconds, in whole steps of 1 / `top`."""
        while self._knots[-1][0] <= time[-1] and (more := next(self._making, None)):
            self._knots += more
        at, level = np.array(self._knots).T
        return np.rint(np.interp(time, at, level) * top).astype(np.int64)

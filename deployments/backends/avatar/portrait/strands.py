"""Hair as thousands of strands: sheets of strands between guide curves, gathered in locks and lit along their length.

A sheet is combed between its guides: every strand is a blend of neighbouring guides, pulled towards the middle of its
lock so that locks taper, waved, and cut to its own length. Strands are drawn into a map of tones; light is added on
top as broad form and as the bright bands that hair shows across its direction (after Kajiya and Kay, 1989), which
the strands' own tones break up.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.avatar.portrait.canvas import SIDE, UNIT, Field, Patch, Points, blurred, smooth, spline
from deployments.backends.avatar.portrait.palette import HAIRS, LIGHTS, ramp
from deployments.backends.avatar.portrait.traits import Traits

_STEPS = 40
"""Points along a strand."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hair between `guides`, each a list of (x, y) from root to tip; all have their own number of points."""

    guides: tuple[Points | list[tuple[float, float]], ...]
    count: int
    """Strands."""
    locks: int
    """Groups that the strands gather in."""
    gather: float = 0.55
    """0 strands keep apart to 1 a lock ends in one point."""
    wave: float = 0.0
    """Sideways swing in face units."""
    turns: float = 2.0
    """Swings from root to tip."""
    stray: float = 0.012
    """Deviation of a single strand, face units."""
    ragged: float = 0.12
    """Share of the length by which strands differ."""
    shade: float = 0.0
    """Taken from the light: hair that lies in shadow."""
    band: tuple[float, float] = (0.30, 0.11)
    """Where along the strands the bright band lies, and its width."""
    thick: float = 1.6
    """Width of a strand in pixels of the sheet."""
    solid: bool = True
    """The ground between the strands is filled."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A painted sheet, ready to be laid on the picture."""

    left: int
    top: int
    alpha: Field
    colour: Field

    def lay(self, pixels: Field) -> None:
        height, width = self.alpha.shape
        view = pixels[self.top : self.top + height, self.left : self.left + width]
        view += self.alpha[..., None] * (self.colour - view)


def comb(sheet: Sheet, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, steps, 2) strands in face units and (n,) their place across the sheet, 0 to 1."""
    guides = np.stack([spline(guide, _STEPS) for guide in sheet.guides])
    place = (np.arange(sheet.count) + random.uniform(0, 1, sheet.count)) / sheet.count
    random.shuffle(place)

    def between(at: NDArray[np.float64]) -> NDArray[np.float64]:
        span = at * (len(guides) - 1)
        index = np.minimum(span.astype(int), len(guides) - 2)
        share = (span - index)[:, None, None]
        return guides[index] * (1 - share) + guides[index + 1] * share

    u = np.linspace(0, 1, _STEPS)
    lock = np.minimum((place * sheet.locks).astype(int), sheet.locks - 1)
    middle = (lock + 0.5 + random.uniform(-0.25, 0.25, sheet.locks)[lock]) / sheet.locks
    own, heart = between(place), between(middle)
    pull = (sheet.gather * random.uniform(0.6, 1.0, sheet.locks)[lock])[:, None] * u**1.5
    lines = own + pull[..., None] * (heart - own)
    along = np.gradient(lines, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    phase = random.uniform(0, 2 * np.pi, sheet.locks)[lock] + random.normal(0, 0.25, sheet.count)
    pace = sheet.turns * random.uniform(0.85, 1.15, sheet.locks)[lock]
    swing = sheet.wave * np.sin(phase[:, None] + 2 * np.pi * pace[:, None] * u) * np.minimum(u * 3, 1)
    drift = random.normal(0, sheet.stray, sheet.count)[:, None] * (0.3 + u)
    return lines + normal * (swing + drift)[..., None], place


def paint_sheet(sheet: Sheet, traits: Traits, random: np.random.Generator) -> Layer:
    """Draws a sheet by itself."""
    lines, place = comb(sheet, random)
    cut = (_STEPS * (1 - sheet.ragged * random.uniform(0, 1, sheet.count) ** 2)).astype(int).clip(4)
    canvas = np.empty((SIDE, SIDE, 0), np.float32)
    patch = Patch.around(canvas, lines.reshape(-1, 2), 0.03)
    fixed = patch.fixed(lines.reshape(-1, 2)).reshape(lines.shape)
    strands = [line[:end] for line, end in zip(fixed, cut, strict=True)]
    cover, tones = _draw(strands, sheet, patch, random)
    if sheet.solid:
        hull = np.concatenate([spline(sheet.guides[0], 60)[3:], spline(sheet.guides[-1], 60)[3:][::-1]])
        ground = patch.fill(hull)
        cover = np.maximum(cover, smooth(0.55, 0.95, blurred(ground, 2.5)))
    value = _light(sheet, lines, patch, cover, traits)
    fleck = (tones - 0.5) * 2
    value = value + 0.17 * fleck
    colour = ramp(HAIRS[traits.hair_colour], (0.0, 0.42, 1.0), np.clip(value, 0, 1))
    return Layer(patch.left, patch.top, cover, colour)


def _draw(
    strands: list[NDArray[np.int32]], sheet: Sheet, patch: Patch, random: np.random.Generator
) -> tuple[Field, Field]:
    """Coverage and a map of tones: strands over one another in random order, 12 batches of 8 tones."""
    tones = np.full(patch.shape, 96, np.uint8)
    cover = np.zeros(patch.shape, np.uint8)
    thickness = max(1, round(sheet.thick))
    batches = np.array_split(np.arange(len(strands)), 96)
    levels = random.permutation(96)
    for batch, level in zip(batches, levels, strict=True):
        lines = [strands[k] for k in batch]
        if lines:
            cv2.polylines(tones, lines, False, int(24 + level * 2.2), thickness, cv2.LINE_AA, 4)
    cv2.polylines(cover, strands, False, 255, thickness, cv2.LINE_AA, 4)
    return cover.astype(np.float32) / 255, tones.astype(np.float32) / 255


def _light(sheet: Sheet, lines: NDArray[np.float64], patch: Patch, cover: Field, traits: Traits) -> Field:
    """Broad form, bands across the strands, shade at the roots and between locks; about 0 to 1."""
    small = 4
    height, width = (max(1, n // small) for n in patch.shape)
    along = np.zeros((height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    stride = max(1, len(lines) // 160)
    local = (patch.fixed(lines[::stride].reshape(-1, 2)) // small).reshape(*lines[::stride].shape)
    for step in range(0, _STEPS - 1, 2):
        pieces = [piece for piece in local[:, step : step + 3]]
        cv2.polylines(along, pieces, False, step / (_STEPS - 1), 4, cv2.LINE_8, 4)
        cv2.polylines(weight, pieces, False, 1.0, 4, cv2.LINE_8, 4)
    spread = blurred(weight, 3) + 1e-3
    u = cv2.resize(blurred(along * weight, 3) / spread, patch.shape[::-1], interpolation=cv2.INTER_LINEAR)
    lighting = LIGHTS[traits.lighting]
    kx, ky, _ = lighting.key
    broad = 0.43 + 0.16 * (kx * patch.x * 0.8 + ky * (patch.y + 0.35) * 0.45)
    inside = blurred(cover, 0.10 * UNIT)
    broad = broad - 0.20 * smooth(0.85, 0.35, inside)
    centre, reach = sheet.band
    band = np.exp(-0.5 * ((u - centre) / reach) ** 2) + 0.45 * np.exp(-0.5 * ((u - centre - 0.38) / (reach * 1.1)) ** 2)
    side = np.clip(0.75 + 0.5 * kx * patch.x, 0.25, 1.2)
    roots = 0.14 * smooth(0.10, 0.0, u)
    return (broad + 0.30 * band * side - roots - sheet.shade).astype(np.float32)

"""Hair as thousands of strands: sheets of strands between guide curves, gathered in locks and lit along their length.

A sheet is combed between its guides: every strand is a blend of neighbouring guides, pulled towards the middle of its
lock so that locks taper, waved, and cut to its own length. Strands are drawn into a map of tones; light is added on
top as broad form and as the bright bands that hair shows across its direction (after Kajiya and Kay, 1989), which
the strands' own tones break up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.backends.avatar.portrait import brush
from deployments.backends.avatar.portrait.canvas import SIDE, UNIT, Field, Patch, Points, blurred, smooth, spline
from deployments.backends.avatar.portrait.palette import HAIRS, LIGHTS, ramp
from deployments.backends.avatar.portrait.traits import Traits

_STEPS = 40
"""Points along a strand."""


Guide = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hair between `guides`, each a list of (x, y) from root to tip; all have their own number of points."""

    guides: tuple[Guide, ...]
    count: int
    """Strands."""
    locks: int
    """Groups that the strands gather in."""
    gather: float = 0.85
    """0 strands keep apart to 1 a lock ends in one point."""
    wave: float = 0.0
    """Sideways swing in face units."""
    turns: float = 2.0
    """Swings from root to tip."""
    stray: float = 0.012
    """Deviation of a single strand, face units."""
    ragged: float = 0.12
    """Share of the length by which strands differ."""
    root: float = 0.0
    """Share of the length by which the roots differ: a natural hairline."""
    shade: float = 0.0
    """Taken from the light: hair that lies in shadow."""
    band: tuple[float, float] = (0.30, 0.11)
    """Where along the strands the bright band lies, and its width."""
    unrest: float = 0.5
    """How unlike the swings of neighbouring locks are."""
    thick: int = 1
    """Width of a strand in pixels of the sheet."""
    opacity: float = 1.0
    feather: float = 0.0
    """Softness of the edge, face units: hair cut so close that skin shows."""
    solid: bool = True
    """The ground between the strands is filled."""


@dataclass(frozen=True, slots=True)
class Hairdo:
    """The sheets behind the neck, those on the shoulders and those over the face, each back to front."""

    behind: tuple[Sheet, ...] = ()
    shoulders: tuple[Sheet, ...] = ()
    front: tuple[Sheet, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Combed:
    """The strands of a sheet: `lines` (n, steps, 2) in face units; for each the number of its lock and its place
    in it, -1 at one edge to 1 at the other."""

    lines: NDArray[np.float64]
    lock: NDArray[np.intp]
    place: NDArray[np.float64]


def comb(sheet: Sheet, random: np.random.Generator) -> Combed:
    guides = np.stack([spline(guide, _STEPS) for guide in sheet.guides])
    place = (np.arange(sheet.count) + random.uniform(0, 1, sheet.count)) / sheet.count

    def between(at: NDArray[np.float64]) -> NDArray[np.float64]:
        span = at * (len(guides) - 1)
        index = np.minimum(span.astype(int), len(guides) - 2)
        share = (span - index)[:, None, None]
        return guides[index] * (1 - share) + guides[index + 1] * share

    u = np.linspace(0, 1, _STEPS)
    # Locks of unlike breadth.
    borders = np.cumsum(random.uniform(0.5, 1.5, sheet.locks))
    borders = np.concatenate([[0], borders / borders[-1]])
    lock = np.clip(np.searchsorted(borders, place) - 1, 0, sheet.locks - 1)
    low, high = borders[lock], borders[lock + 1]
    middle = (low + high) / 2
    own, heart = between(place), between(middle)
    pull = (sheet.gather * random.uniform(0.7, 1.0, sheet.locks)[lock])[:, None] * u**2.4
    lines = own + pull[..., None] * (heart - own)
    along = np.gradient(lines, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9
    # Neighbouring locks swing nearly together: that is what makes a wave of them.
    phase = 5.0 * middle + random.normal(0, sheet.unrest, sheet.locks)[lock] + random.normal(0, 0.12, sheet.count)
    pace = sheet.turns * (1 + 0.12 * sheet.unrest * random.uniform(-1, 1, sheet.locks)[lock])
    swing = sheet.wave * np.sin(phase[:, None] + 2 * np.pi * pace[:, None] * u) * np.minimum(u * 2.5, 1)
    drift = random.normal(0, sheet.stray, sheet.count)[:, None] * (0.3 + u)
    lines = lines + normal * (swing + drift)[..., None]
    return Combed(lines, lock, (place - middle) / (high - low) * 2)


def paint_sheet(sheet: Sheet, traits: Traits, random: np.random.Generator) -> Layer:
    """Draws a sheet by itself."""
    combed = comb(sheet, random)
    lines = combed.lines
    canvas = np.empty((SIDE, SIDE, 0), np.float32)
    patch = Patch.around(canvas, lines.reshape(-1, 2), 0.03)
    cover, tones = _draw(sheet, combed, patch, random)
    if sheet.solid:
        cover = np.maximum(cover, smooth(0.45, 0.95, blurred(patch.fill(_ground(sheet)), 3)))
    value = _light(sheet, lines, patch, cover, traits)
    fleck = (tones - 0.5) * 2
    value = value * (1 + 0.22 * fleck) + 0.115 * fleck
    colour = ramp(HAIRS[traits.hair_colour], (0.0, 0.42, 1.0), np.clip(value, 0, 1))
    if sheet.feather:
        cover = blurred(cover, sheet.feather * UNIT)
    return Layer(patch.left, patch.top, cover * np.float32(sheet.opacity), colour)


def _ground(sheet: Sheet) -> Points:
    """The outline of a sheet from just after its roots to well before its tips, which stay loose."""
    guides = [spline(guide, 60) for guide in sheet.guides]
    roots, tips = (spline([tuple(guide[at]) for guide in guides], 40) for at in (3 + round(sheet.root * 60), 48))
    return np.concatenate([roots, guides[-1][4:48], tips[::-1], guides[0][4:48][::-1]])


def _draw(sheet: Sheet, combed: Combed, patch: Patch, random: np.random.Generator) -> tuple[Field, Field]:
    """Coverage and a map of tones about 0.5: lock over lock in random order, each darker at its edges."""
    lines = combed.lines
    length = 1 - sheet.ragged * random.uniform(0, 1, len(lines)) ** 1.5
    length *= (1 - 0.7 * sheet.ragged * random.uniform(0, 1, sheet.locks))[combed.lock]
    end = (_STEPS - 1) * np.clip(length - 1.4 * sheet.ragged * combed.place**2, 0.15, 1)
    start = np.minimum((_STEPS - 1) * sheet.root * random.uniform(0, 1, len(lines)) ** 1.5, end * 0.8)
    at = start[:, None] + (end - start)[:, None] * np.linspace(0, 1, _STEPS)
    index = np.minimum(at.astype(int), _STEPS - 2)
    rows = np.arange(len(lines))[:, None]
    cut = lines[rows, index] + (at - index)[..., None] * (lines[rows, index + 1] - lines[rows, index])
    strands = list(patch.fixed(cut.reshape(-1, 2)).reshape(lines.shape))
    own = random.normal(0, 1, len(lines))
    each = random.normal(0, 1, sheet.locks)
    tone = 128 + 30 * own + 18 * each[combed.lock] + 26 * (0.4 - combed.place**2)
    level = np.clip(tone / 12, 1, 20).astype(int)
    tones = np.full(patch.shape, 112, np.uint8)
    cover = np.zeros(patch.shape, np.uint8)
    for lock in random.permutation(sheet.locks):
        members = np.flatnonzero(combed.lock == lock)
        if sheet.solid and len(members) > 8:
            # The lock's own ground, between its outer strands: it narrows to the tip as they do.
            edge = max(1, len(members) // 10)
            sides = [strands[members[at]] for at in (edge, -1 - edge)]
            first, last = (line[: max(2, len(line) * 9 // 10)] for line in sides)
            body = np.concatenate([first, last[::-1]])
            brush.fill(tones, body, int(100 + 14 * each[lock]), smoothed=False)
            brush.fill(cover, body, 255)
        for step in random.permutation(np.unique(level[members])):
            group = [strands[k] for k in members[level[members] == step]]
            brush.lines(tones, group, int(step * 12), sheet.thick)
    brush.lines(cover, strands, 255, sheet.thick + sheet.solid)
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
        brush.lines(along, pieces, step / (_STEPS - 1), 4, smoothed=False)
        brush.lines(weight, pieces, 1.0, 4, smoothed=False)
    spread = blurred(weight, 3) + 1e-3
    u = brush.resized(blurred(along * weight, 3) / spread, patch.shape[1], patch.shape[0])
    lighting = LIGHTS[traits.lighting]
    kx, ky, _ = lighting.key
    broad = 0.43 + 0.16 * (kx * patch.x * 0.8 + ky * (patch.y + 0.35) * 0.45)
    inside = blurred(cover, 0.10 * UNIT)
    broad = broad - 0.20 * smooth(0.85, 0.35, inside)
    centre, reach = sheet.band
    band = np.exp(-0.5 * ((u - centre) / reach) ** 2) + 0.45 * np.exp(-0.5 * ((u - centre - 0.38) / (reach * 1.1)) ** 2)
    side = np.clip(0.75 + 0.5 * kx * patch.x, 0.25, 1.2)
    roots = 0.14 * smooth(0.10, 0.0, u)
    # Light from behind glows through the edge on the far side.
    edge = smooth(0.95, 0.5, blurred(cover, 0.028 * UNIT)) * smooth(0.2, 1.1, -np.sign(kx) * patch.x)
    glow = 0.34 * lighting.rim * edge * (1 - 3 * min(sheet.shade, 0.33))
    return (broad + 0.36 * band * side - roots - sheet.shade + glow).astype(np.float32)

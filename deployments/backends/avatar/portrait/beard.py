"""Facial hair: short strokes that grow down and away from the middle of the face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from deployments.backends.avatar.portrait import brush
from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import (
    UNIT,
    Field,
    Patch,
    Points,
    blurred,
    mirror,
    shifted,
    smooth,
    spline,
)
from deployments.backends.avatar.portrait.palette import HAIRS, LIGHTS, blend, ramp, rgb
from deployments.backends.avatar.portrait.skin import skin_tone
from deployments.backends.avatar.portrait.traits import Traits


@dataclass(frozen=True, slots=True)
class Beard:
    """`length` of a hair in face units; `ground` is how far the skin below is covered; `below` the chin it reaches."""

    length: float
    count: int
    ground: float
    below: float = 0.0
    cheeks: bool = True
    chin: bool = True
    moustache: bool = True


BEARDS: Final[dict[str, Beard]] = {
    "stubble": Beard(0.014, 7000, 0.34),
    "short": Beard(0.045, 6000, 0.62, 0.01),
    "full": Beard(0.115, 5600, 0.88, 0.17),
    "goatee": Beard(0.060, 2400, 0.62, 0.03, cheeks=False),
    "moustache": Beard(0.075, 1100, 0.72, cheeks=False, chin=False),
}


def paint_beard(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """Goes on before the mouth is painted, so that the lips stay bare."""
    if traits.beard == "none":
        return
    beard = BEARDS[traits.beard]
    patch = Patch(pixels, -1.15, -0.2, 1.15, a.chin_y + beard.below + 0.2)
    random = stream(traits.seed, "beard")
    grow = _ground(patch, beard, a)
    shadow, body, shine = HAIRS[traits.hair_colour]
    tone = skin_tone(traits)
    dark = blend(blend(rgb(body), rgb(shadow), 0.55), tone[0], 0.25)
    under = blend(dark, tone[1], 0.12 if beard.ground > 0.5 else 0.5)
    patch.over(blurred(grow, 0.02 * UNIT) * beard.ground, under)
    strokes, tones = _strokes(patch, beard, grow, a, random)
    form = 0.36 - 0.12 * LIGHTS[traits.lighting].strength * np.sign(-LIGHTS[traits.lighting].key[0]) * patch.x
    form = form - 0.10 * smooth(a.chin_y - 0.25, a.chin_y + 0.1, patch.y) + 0.30 * (tones - 0.5)
    strength = 0.92
    if traits.beard == "stubble":
        form, strength = form - 0.22, 0.36
    patch.over(strokes * strength, ramp((shadow, body, shine), (0.0, 0.42, 1.0), np.clip(form, 0, 1)))


def _moustache(a: Anatomy) -> Points:
    w, y = a.mouth_width, a.mouth_y
    top = spline(
        [(0.0, a.nose_y + 0.075), (0.10, a.nose_y + 0.062), (w * 0.62, a.nose_y + 0.135), (w * 1.20, y - 0.02)], 24
    )
    low = spline(
        [(w * 1.24, y + 0.06), (w * 0.92, y - 0.055), (w * 0.5, y - a.upper_lip * 0.95), (0.0, y - a.upper_lip + 0.01)],
        24,
    )
    right = np.concatenate([top, low])
    return np.concatenate([right, right[::-1] * (-1, 1)])


def _ground(patch: Patch, beard: Beard, a: Anatomy) -> Field:
    """Where hair grows, 0 to 1."""
    w, y = a.mouth_width, a.mouth_y
    grow = np.zeros(patch.shape, np.float32)
    if beard.cheeks:
        outline = a.outline()
        outer = outline[(outline[:, 1] > -0.05) & (outline[:, 0] >= 0)]
        outer = outer[np.argsort(outer[:, 1])] * (0.998, 1) + (0, 0)
        outer = outer + np.stack([0 * outer[:, 0], beard.below * smooth(0.6, 1.45, outer[:, 1])], 1)
        inner = spline(
            [
                (0.02, y + 0.30),
                (w * 0.9, y + 0.22),
                (w * 1.16, y + 0.02),
                (w * 1.34, y - 0.14),
                (0.74, 0.52),
                (0.86, 0.22),
                (0.925, -0.05),
            ],
            50,
        )
        side = np.concatenate([outer, [(0.0, a.chin_y + beard.below)], inner])
        grow = np.maximum(grow, patch.fill(side, mirror(side), blur=0.022))
        grow = np.maximum(grow, patch.fill(_chin(beard, a, 1.5), blur=0.02))
    if beard.chin:
        grow = np.maximum(grow, patch.fill(_chin(beard, a, 1.0), blur=0.018))
        grow = np.maximum(grow, patch.fill(_link(a), mirror(_link(a)), blur=0.02))
    if beard.moustache:
        grow = np.maximum(grow, patch.fill(_moustache(a), blur=0.010))
    lips = np.concatenate([shifted(a.upper_lip_edge(), 0, -0.004), shifted(a.lower_lip_edge()[::-1], 0, 0.022)])
    return grow * (1 - patch.fill(lips, blur=0.006))


def _chin(beard: Beard, a: Anatomy, breadth: float) -> Points:
    w, low = a.mouth_width * 0.78 * breadth, a.mouth_y + a.lower_lip
    right = spline(
        [
            (0.0, low + 0.035),
            (0.07, low + 0.05),
            (w * 0.62, low + 0.16),
            (w, low + 0.22),
            (w * 0.95, a.chin_y - 0.08 + beard.below * 0.6),
            (0.0, a.chin_y + 0.004 + beard.below),
        ],
        40,
    )
    return np.concatenate([right, mirror(right)])


def _link(a: Anatomy) -> Points:
    """What joins the moustache to the beard beside the mouth."""
    w, y = a.mouth_width, a.mouth_y
    return spline(
        [(w * 1.08, y - 0.05), (w * 1.26, y + 0.0), (w * 1.18, y + 0.22), (w * 0.75, y + 0.36), (w * 0.92, y + 0.16)],
        40,
        closed=True,
    )


def _strokes(patch: Patch, beard: Beard, grow: Field, a: Anatomy, random: np.random.Generator) -> tuple[Field, Field]:
    """Coverage and tones of hairs rooted where `grow` says."""
    height, width = patch.shape
    xs, ys = random.integers(0, width, beard.count * 4), random.integers(0, height, beard.count * 4)
    keep = random.uniform(0, 1, beard.count * 4) < grow[ys, xs] ** 1.5
    x, y = patch.x[0, xs[keep]][: beard.count], patch.y[ys[keep], 0][: beard.count]
    # Down and outwards; to the side under the nose, inwards again below the chin.
    away = np.clip(x / 0.6, -1, 1)
    lip = np.exp(-0.5 * ((y - a.mouth_y + 0.12) / 0.07) ** 2) * (np.abs(x) < 0.5)
    angle = np.pi / 2 - away * (0.35 + 0.75 * lip) + random.normal(0, 0.22, len(x))
    length = beard.length * random.uniform(0.5, 1.15, len(x))
    t = np.linspace(0, 1, 5)
    bend = random.normal(0, 0.35, len(x))[:, None] * t
    px = x[:, None] + length[:, None] * t * np.cos(angle[:, None] + bend)
    py = y[:, None] + length[:, None] * t * np.sin(angle[:, None] + bend)
    fixed = patch.fixed(np.stack([px, py], -1).reshape(-1, 2)).reshape(len(x), 5, 2)
    cover, tones = np.zeros(patch.shape, np.uint8), np.full(patch.shape, 110, np.uint8)
    order = np.argsort(y)
    for group in np.array_split(order, 40):
        for level in (70, 115, 160, 205):
            part = group[random.integers(0, 4, len(group)) == level // 45 - 1]
            brush.lines(tones, list(fixed[part]), level)
    brush.lines(cover, list(fixed[order]), 255)
    return cover.astype(np.float32) / 255, tones.astype(np.float32) / 255

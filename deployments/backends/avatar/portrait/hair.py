"""Hairstyles: the sheets of strands that each one is made of, back to front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import Points
from deployments.backends.avatar.portrait.strands import Layer, Sheet, paint_sheet
from deployments.backends.avatar.portrait.traits import Traits

Guide = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Hairdo:
    """Sheets that lie behind the neck and sheets that lie over the face, each back to front."""

    behind: tuple[Sheet, ...] = ()
    front: tuple[Sheet, ...] = ()


def _flip(guide: Guide, sign: float) -> Guide:
    return [(x * sign, y) for x, y in guide]


def _curtains(side: float, length: float, flare: float, sheet: Sheet, bang: float = 0.0) -> Hairdo:
    """Hair parted at `side`, falling at both sides to the height `length`; `flare` widens the ends."""
    front: list[Sheet] = []
    for sign in (-1.0, 1.0):
        p = side * sign  # The parting, seen from this half.
        deep = -0.02 if p < 0 else 0.0
        inner = [
            (p + 0.02, -1.03),
            (p + 0.16 + bang, -1.06),
            (0.58 - bang * 0.2, -0.78 + deep),
            (0.80, -0.38),
            (0.885, 0.05),
            (0.875, 0.50),
            (0.83 + flare * 0.3, (length + 0.5) / 2),
            (0.74 + flare * 0.6, length),
        ]
        middle = [
            (p, -1.34),
            (p + 0.22, -1.38),
            (0.78, -1.02),
            (0.98, -0.45),
            (1.04, 0.05),
            (1.05, 0.50),
            (1.02 + flare * 0.6, (length + 0.5) / 2),
            (0.95 + flare, length + 0.05),
        ]
        outer = [
            (p - 0.03, -1.62),
            (0.42, -1.62),
            (0.93, -1.26),
            (1.13, -0.62),
            (1.20, 0.0),
            (1.24, 0.52),
            (1.22 + flare, (length + 0.5) / 2),
            (1.10 + flare * 1.4, length - 0.02),
        ]
        guides = tuple(_flip(guide, sign) for guide in (outer, middle, inner))
        front.append(replace(sheet, guides=guides))
    if side < 0:
        front.reverse()
    return Hairdo((), tuple(front))


def _backdrop_of(length: float, flare: float, sheet: Sheet) -> Sheet:
    """The mass behind the neck."""
    guides = tuple(
        [
            (x * 0.85, -1.30),
            (x * 1.0, -0.6),
            (x * 1.03, 0.3),
            (x * (1.02 + flare * 0.5), (length + 0.3) / 2),
            (x * (0.98 + flare), length),
        ]
        for x in (-1.16, -0.6, 0.0, 0.6, 1.16)
    )
    return replace(sheet, guides=guides, shade=0.30, count=900, locks=26, gather=0.4)


def _long(side: float, a: Anatomy) -> Hairdo:
    sheet = Sheet((), count=1500, locks=30, gather=0.5, wave=0.012, turns=1.2)
    return Hairdo((_backdrop_of(2.35, 0.05, sheet),), _curtains(side, 2.45, 0.06, sheet).front)


def _wavy(side: float, a: Anatomy) -> Hairdo:
    sheet = Sheet((), count=1500, locks=26, gather=0.62, wave=0.055, turns=3.0, stray=0.018, ragged=0.2)
    return Hairdo((_backdrop_of(2.2, 0.12, sheet),), _curtains(side, 2.3, 0.16, sheet).front)


def _bob(side: float, a: Anatomy) -> Hairdo:
    sheet = Sheet((), count=1400, locks=26, gather=0.35, wave=0.008, turns=1.0, ragged=0.06)
    return Hairdo((_backdrop_of(1.20, -0.05, sheet),), _curtains(side, 1.32, -0.06, sheet).front)


def _short(side: float, a: Anatomy) -> Hairdo:
    """Parted at the side, swept over the forehead, cut close above the ears."""
    sign = 1.0 if side > 0 else -1.0
    top = Sheet(
        (
            [(0.50, -1.44), (0.15, -1.70), (-0.42, -1.66), (-0.90, -1.26), (-1.02, -0.82)],
            [(0.50, -1.25), (0.15, -1.50), (-0.38, -1.46), (-0.80, -1.12), (-0.97, -0.74)],
            [(0.48, -1.06), (0.20, -1.24), (-0.22, -1.22), (-0.62, -1.00), (-0.84, -0.74)],
        ),
        count=1300,
        locks=24,
        gather=0.6,
        stray=0.016,
        ragged=0.25,
        band=(0.42, 0.13),
    )
    lesser = replace(
        top,
        guides=(
            [(0.46, -1.42), (0.74, -1.46), (0.97, -1.15), (1.03, -0.75)],
            [(0.47, -1.26), (0.70, -1.26), (0.90, -1.02), (0.99, -0.68)],
            [(0.48, -1.06), (0.62, -1.04), (0.78, -0.90), (0.88, -0.64)],
        ),
        count=700,
        locks=12,
    )
    sides = _sides()
    return Hairdo((), tuple(_mirrored(sheet, sign) for sheet in (*sides, lesser, top)))


def _mirrored(sheet: Sheet, sign: float) -> Sheet:
    return replace(sheet, guides=tuple([(x * sign, y) for x, y in guide] for guide in sheet.guides))


def _sides() -> tuple[Sheet, ...]:
    """Close-cut hair above and before the ears."""
    guides = (
        [(1.00, -1.00), (1.05, -0.62), (1.045, -0.28), (1.00, -0.02)],
        [(0.93, -0.95), (0.98, -0.60), (0.985, -0.25), (0.965, 0.12)],
        [(0.84, -0.88), (0.885, -0.60), (0.915, -0.30), (0.935, 0.16)],
    )
    sheet = Sheet(guides, count=420, locks=40, gather=0.2, stray=0.012, ragged=0.5, shade=0.08, solid=False)
    return (sheet, _mirrored(sheet, -1.0))


def _swept(side: float, a: Anatomy) -> Hairdo:
    """Brushed up and back from the forehead."""
    sheet = Sheet(
        tuple(
            [
                (x * 0.82, -0.98 + 0.22 * x * x),
                (x * 0.92, -1.28 + 0.18 * x * x),
                (x * 0.95 + 0.03 * side, -1.56 + 0.22 * x * x),
                (x * 0.86 + 0.10 * side, -1.76 + 0.34 * x * x),
            ]
            for x in (-1.0, -0.66, -0.33, 0.0, 0.33, 0.66, 1.0)
        ),
        count=1500,
        locks=26,
        gather=0.55,
        stray=0.016,
        ragged=0.2,
        band=(0.45, 0.16),
    )
    dome = Sheet(
        tuple([(x * 0.3, -1.66), (x * 0.78, -1.54), (x * 1.0, -1.20), (x * 1.05, -0.75)] for x in (-1.0, 0.0, 1.0)),
        count=700,
        locks=20,
        shade=0.12,
    )
    return Hairdo((), (*_sides(), dome, sheet))


STYLES: dict[str, Callable[[float, Anatomy], Hairdo]] = {
    "long": _long,
    "wavy": _wavy,
    "bob": _bob,
    "short": _short,
    "swept back": _swept,
}


def hair_layers(traits: Traits, a: Anatomy) -> tuple[list[Layer], list[Layer]]:
    """The layers behind the neck and those over the face."""
    if traits.hair == "bald":
        return [], []
    random = stream(traits.seed, "hair")
    side = float(random.choice([-1.0, 1.0]) * random.uniform(0.12, 0.34))
    hairdo = STYLES.get(traits.hair, _long)(side, a)
    behind = [paint_sheet(sheet, traits, random) for sheet in hairdo.behind]
    return behind, [paint_sheet(sheet, traits, random) for sheet in hairdo.front]

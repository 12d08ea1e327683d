"""Short hair: cropped, parted, brushed back, curled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deployments.backends.avatar.portrait.strands import Guide, Hairdo, Sheet

_SCALP: tuple[tuple[float, float], ...] = (
    # The hairline from the middle of the forehead to before the ear.
    (0.0, -1.02),
    (0.30, -1.03),
    (0.56, -0.96),
    (0.71, -0.78),
    (0.84, -0.60),
    (0.895, -0.30),
    (0.945, 0.06),
)
_SKULL: tuple[tuple[float, float], ...] = (
    # Where the hair over each of those points is last seen from the front.
    (0.0, -1.56),
    (0.30, -1.53),
    (0.58, -1.40),
    (0.80, -1.20),
    (0.95, -0.90),
    (1.01, -0.50),
    (1.01, -0.05),
)


def mirrored(sheet: Sheet) -> Sheet:
    return replace(sheet, guides=tuple([(-x, y) for x, y in guide] for guide in sheet.guides))


def _turned(hairdo: Hairdo, side: float) -> Hairdo:
    return hairdo if side > 0 else Hairdo(front=tuple(mirrored(sheet) for sheet in hairdo.front))


def sides(fullness: float = 0.0, shade: float = 0.06) -> tuple[Sheet, Sheet]:
    """Close-cut hair above and before the ears; `fullness` lets it stand out and hang longer."""
    f = fullness
    guides = (
        [(0.96, -1.10), (1.05 + f, -0.66), (1.05 + f, -0.30), (1.01 + f * 0.5, 0.02 + f)],
        [(0.90, -1.00), (0.98, -0.62), (0.99, -0.26), (0.97, 0.12 + f * 2)],
        [(0.82, -0.88), (0.875, -0.60), (0.91, -0.30), (0.935, 0.14 + f * 2)],
    )
    sheet = Sheet(
        guides, count=520, locks=34, gather=0.3, stray=0.010, ragged=0.45, shade=shade, solid=False, feather=0.008
    )
    return sheet, mirrored(sheet)


def _cap(count: int, **how: object) -> Sheet:
    """Hair that lies on the whole scalp, combed from the hairline to the edge of the skull."""
    right: list[Guide] = []
    for (x0, y0), (x1, y1) in zip(_SCALP, _SKULL, strict=True):
        right.append([(x1, y1), (0.5 * (x0 + x1) + 0.01, 0.5 * (y0 + y1)), (x0, y0)])
    guides = tuple([(-x, y) for x, y in guide] for guide in right[:0:-1]) + tuple(right)
    sheet = Sheet(guides, count=count, locks=60, gather=0.1, stray=0.012, ragged=0.12, band=(0.35, 0.2))
    return replace(sheet, **how)


def buzz_cut(side: float) -> Hairdo:
    del side
    return Hairdo(front=(_cap(2600, opacity=0.86, feather=0.016, shade=0.05),))


def balding(side: float) -> Hairdo:
    """A bare crown; hair at the sides."""
    del side
    wreath = Sheet(
        (
            [(0.985, -0.92), (1.065, -0.62), (1.085, -0.30), (1.04, 0.06)],
            [(0.93, -0.86), (1.00, -0.58), (1.02, -0.26), (0.99, 0.16)],
            [(0.86, -0.76), (0.895, -0.54), (0.92, -0.26), (0.94, 0.20)],
        ),
        count=620,
        locks=26,
        gather=0.35,
        stray=0.012,
        ragged=0.30,
        root=0.34,
        solid=False,
        feather=0.010,
    )
    wisps = _cap(300, opacity=0.22, solid=False, feather=0.006, ragged=0.6)
    return Hairdo(front=(wisps, wreath, mirrored(wreath)))


def side_part(side: float) -> Hairdo:
    """Parted at the side, swept over the forehead, cut close above the ears."""
    top = Sheet(
        (
            [(0.46, -1.56), (0.12, -1.72), (-0.46, -1.68), (-0.93, -1.28), (-1.03, -0.78)],
            [(0.46, -1.34), (0.10, -1.62), (-0.44, -1.56), (-0.86, -1.18), (-0.99, -0.70)],
            [(0.47, -1.18), (0.14, -1.42), (-0.34, -1.38), (-0.76, -1.06), (-0.93, -0.66)],
            [(0.48, -1.05), (0.20, -1.24), (-0.22, -1.20), (-0.62, -0.98), (-0.85, -0.64)],
        ),
        count=1500,
        locks=22,
        gather=0.7,
        stray=0.012,
        ragged=0.16,
        band=(0.45, 0.13),
        wave=0.012,
        turns=1.0,
    )
    lesser = replace(
        top,
        guides=(
            [(0.44, -1.57), (0.72, -1.45), (0.95, -1.14), (1.03, -0.70)],
            [(0.42, -1.40), (0.68, -1.32), (0.90, -1.06), (0.99, -0.62)],
            [(0.47, -1.06), (0.60, -1.03), (0.76, -0.90), (0.88, -0.58)],
        ),
        count=800,
        locks=12,
    )
    return _turned(Hairdo(front=(*sides(), lesser, top)), side)


def swept_back(side: float) -> Hairdo:
    """Brushed up and back from the forehead."""
    lean = 0.10 if side > 0 else -0.10
    crown = Sheet(
        tuple(
            [
                (x * 0.20 + lean, -1.74),
                (x * 0.62, -1.66),
                (x * 0.96, -1.46 + 0.16 * x * x),
                (x * 1.04, -1.25 + 0.55 * x**4),
            ]
            for x in (-1.0, -0.5, 0.0, 0.5, 1.0)
        ),
        count=700,
        locks=20,
        shade=0.12,
    )
    top = Sheet(
        tuple(
            [
                (x * 0.80, -1.06 + 0.32 * abs(x) ** 3),
                (x * 0.93, -1.24 + 0.30 * abs(x) ** 3),
                (x * 0.97 + lean * 0.4, -1.52 + 0.30 * abs(x) ** 3),
                (x * 0.84 + lean, -1.76 + 0.36 * x * x),
                (x * 0.62 + lean * 1.6, -1.80 + 0.30 * x * x),
            ]
            for x in (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
        ),
        count=1700,
        locks=24,
        gather=0.6,
        stray=0.012,
        ragged=0.12,
        root=0.02,
        feather=0.004,
        band=(0.40, 0.13),
        wave=0.015,
        turns=0.9,
    )
    return Hairdo(front=(*sides(), crown, top))


def pixie(side: float) -> Hairdo:
    """Short all round, with a long fringe swept to one side."""
    top = Sheet(
        (
            [(0.38, -1.65), (-0.05, -1.74), (-0.60, -1.62), (-1.02, -1.18), (-1.10, -0.52), (-1.03, -0.02)],
            [(0.38, -1.40), (-0.05, -1.58), (-0.55, -1.42), (-0.92, -0.98), (-1.02, -0.42), (-0.99, 0.10)],
            [(0.36, -1.22), (0.05, -1.36), (-0.42, -1.16), (-0.76, -0.80), (-0.92, -0.36), (-0.95, 0.14)],
            [(0.36, -1.08), (0.14, -1.14), (-0.20, -0.98), (-0.54, -0.70), (-0.80, -0.40), (-0.92, -0.06)],
        ),
        count=1600,
        locks=20,
        gather=0.85,
        ragged=0.16,
        band=(0.35, 0.12),
        wave=0.012,
        turns=1.0,
    )
    lesser = replace(
        top,
        guides=(
            [(0.36, -1.66), (0.70, -1.54), (1.00, -1.14), (1.09, -0.52), (1.02, 0.02)],
            [(0.34, -1.42), (0.66, -1.34), (0.92, -1.00), (1.02, -0.42), (0.98, 0.14)],
            [(0.36, -1.09), (0.56, -1.06), (0.78, -0.82), (0.90, -0.36), (0.94, 0.16)],
        ),
        count=900,
        locks=14,
    )
    return _turned(Hairdo(front=(*sides(0.05), lesser, top)), side)


def _halo(reach: float, count: int, sheet: Sheet, low: float) -> Sheet:
    """Hair that stands away from the scalp all round, from the hairline outwards."""
    guides: list[Guide] = []
    for angle in np.radians(np.linspace(-low, low, 15)):
        sin, cos = float(np.sin(angle)), float(np.cos(angle))
        root = (0.88 * sin, -0.42 - 0.56 * max(cos, -0.2) ** 0.8 if cos > 0 else -0.42 + 0.5 * -cos)
        tip = (sin * (1.02 + reach), -0.55 - (0.98 + reach) * cos)
        guides.append([root, (0.5 * (root[0] + tip[0]), 0.5 * (root[1] + tip[1])), tip])
    return replace(sheet, guides=tuple(guides), count=count)


def curls(side: float) -> Hairdo:
    """A mop of short curls."""
    del side
    sheet = Sheet(
        (),
        count=0,
        locks=110,
        gather=0.5,
        wave=0.070,
        turns=2.4,
        unrest=3.0,
        stray=0.014,
        ragged=0.30,
        root=0.16,
        band=(0.55, 0.2),
    )
    under = replace(_halo(0.16, 1500, sheet, 84), shade=0.14)
    return Hairdo(front=(*sides(0.03), under, replace(_halo(0.08, 1300, sheet, 70), turns=2.0)))


def afro(side: float) -> Hairdo:
    del side
    sheet = Sheet(
        (),
        count=0,
        locks=240,
        gather=0.4,
        wave=0.038,
        turns=5.0,
        unrest=3.0,
        stray=0.016,
        ragged=0.22,
        root=0.10,
        band=(0.62, 0.25),
    )
    behind = replace(_halo(0.46, 2400, sheet, 112), shade=0.12)
    return Hairdo(
        behind=(behind,),
        front=(
            *sides(0.03),
            replace(_halo(0.44, 3000, sheet, 98), wave=0.045),
        ),
    )

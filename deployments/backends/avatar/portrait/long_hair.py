"""Hair that falls: parted, framing the face, over the shoulders or to the jaw."""

from __future__ import annotations

from dataclasses import replace

from deployments.backends.avatar.portrait.strands import Guide, Hairdo, Sheet


def _flipped(guide: Guide, sign: float) -> Guide:
    return [(x * sign, y) for x, y in guide]


def _curtains(side: float, length: float, flare: float, sheet: Sheet, lift: float = 0.0) -> tuple[Sheet, Sheet]:
    """Hair parted at `side`, falling to the height `length`; `flare` widens the ends, `lift` raises the crown."""
    halves: list[Sheet] = []
    for sign in (-1.0, 1.0):
        p = side * sign  # The parting, seen from this half.
        low = (length + 0.5) / 2
        inner = [
            (p - 0.01, -1.03),
            (p + 0.16, -1.05),
            (0.60, -0.80 - (0.03 if p < 0 else 0.0)),
            (0.82, -0.38),
            (0.895, 0.05),
            (0.88, 0.50),
            (0.82 + flare * 0.2, low),
            (0.72 + flare * 0.5, length),
        ]
        middle = [
            (p - 0.02, -1.42 - lift),
            (p + 0.22, -1.48 - lift),
            (0.80, -1.12),
            (1.00, -0.48),
            (1.05, 0.05),
            (1.06, 0.50),
            (1.03 + flare * 0.6, low),
            (0.94 + flare, length + 0.08),
        ]
        outer = [
            (p - 0.04, -1.70 - lift),
            (0.42, -1.68 - lift),
            (0.95, -1.32 - lift),
            (1.17 + lift, -0.68),
            (1.23 + lift, 0.0),
            (1.26 + lift, 0.52),
            (1.24 + flare, low),
            (1.12 + flare * 1.4, length - 0.04),
        ]
        guides = tuple(_flipped(guide, sign) for guide in (outer, middle, inner))
        halves.append(replace(sheet, guides=guides))
    # The fuller half lies over the other one.
    return (halves[0], halves[1]) if side < 0 else (halves[1], halves[0])


def _mass(length: float, flare: float, sheet: Sheet) -> Sheet:
    """What hangs behind the neck, in shadow."""
    guides = tuple(
        [
            (x * 0.40, -1.20),
            (x * 0.92, -0.6),
            (x * 1.03, 0.3),
            (x * (1.02 + flare * 0.5), (length + 0.3) / 2),
            (x * (0.96 + flare), length),
        ]
        for x in (-1.16, -0.6, 0.0, 0.6, 1.16)
    )
    return replace(sheet, guides=guides, shade=0.26, count=800, locks=26)


def straight(side: float) -> Hairdo:
    sheet = Sheet((), count=1500, locks=26, gather=0.55, wave=0.014, turns=1.1, unrest=0.25, ragged=0.09)
    return Hairdo((_mass(2.75, 0.04, sheet),), (), _curtains(side, 2.62, 0.05, sheet))


def wavy(side: float) -> Hairdo:
    sheet = Sheet((), count=1500, locks=22, gather=0.5, wave=0.055, turns=2.6, unrest=0.45, stray=0.014, ragged=0.10)
    return Hairdo((_mass(2.65, 0.10, sheet),), (), _curtains(side, 2.48, 0.14, sheet, 0.02))


def curly(side: float) -> Hairdo:
    sheet = Sheet((), count=1700, locks=46, gather=0.4, wave=0.07, turns=5.0, unrest=1.3, stray=0.014, ragged=0.12)
    return Hairdo((_mass(1.85, 0.22, sheet),), (), _curtains(side, 2.05, 0.26, sheet, 0.05))


def bob(side: float) -> Hairdo:
    sheet = Sheet((), count=1300, locks=24, gather=0.2, wave=0.010, turns=1.0, unrest=0.3, ragged=0.03)
    return Hairdo((_mass(1.30, -0.10, sheet),), (), _curtains(side, 1.46, -0.10, sheet))


def wavy_bob(side: float) -> Hairdo:
    sheet = Sheet((), count=1300, locks=22, gather=0.45, wave=0.05, turns=2.0, unrest=0.5, stray=0.014, ragged=0.08)
    return Hairdo((_mass(1.45, 0.02, sheet),), (), _curtains(side, 1.62, 0.05, sheet, 0.03))


def curly_bob(side: float) -> Hairdo:
    sheet = Sheet((), count=1500, locks=44, gather=0.35, wave=0.07, turns=3.6, unrest=1.3, stray=0.014, ragged=0.12)
    return Hairdo((_mass(1.25, 0.12, sheet),), (), _curtains(side, 1.42, 0.16, sheet, 0.07))


def fringe(hairdo: Hairdo) -> Sheet:
    """Hair over the forehead down to the brows, in the manner of the rest of `hairdo`."""
    like = hairdo.front[-1]
    guides = tuple(
        [
            (x * 0.40, -1.62 + 0.10 * x * x),
            (x * 0.80, -1.24 + 0.10 * x * x),
            (x * 0.98, -0.80),
            (x * 0.98, -0.40 + 0.20 * x * x),
        ]
        for x in (-0.88, -0.5, -0.2, 0.0, 0.2, 0.5, 0.88)
    )
    return replace(
        like, guides=guides, count=900, locks=18, gather=0.6, ragged=0.10, wave=min(like.wave, 0.03), shade=0.0
    )

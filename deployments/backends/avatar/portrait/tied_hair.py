"""Hair drawn back from the face: a bun, a ponytail."""

from __future__ import annotations

from deployments.backends.avatar.portrait.strands import Guide, Hairdo, Sheet

_LINE: tuple[tuple[float, float], ...] = (
    (0.0, -1.03),
    (0.28, -1.04),
    (0.54, -0.98),
    (0.72, -0.80),
    (0.86, -0.56),
    (0.91, -0.26),
    (0.945, 0.10),
)
_EDGE: Guide = [(0.945, 0.10), (1.07, -0.34), (1.01, -1.00), (0.62, -1.53), (0.14, -1.72)]
"""The way of the outermost hair, from before the ear to the knot: it is also the outline of the head."""


def _drawn_back(knot: tuple[float, float]) -> Sheet:
    """From the hairline over the skull towards a knot at the back of the head."""
    kx, ky = knot
    right: list[Guide] = []
    for k, (x0, y0) in enumerate(_LINE):
        far = (k / (len(_LINE) - 1)) ** 1.4
        straight = [(x0 * (1 - t), y0 + (ky - y0) * t) for t in (0.0, 0.28, 0.55, 0.80, 1.0)]
        right.append(
            [
                ((1 - far) * xs + far * xe, (1 - far) * ys + far * ye)
                for (xs, ys), (xe, ye) in zip(straight, _EDGE, strict=True)
            ]
        )
    whole = [[(-x, y) for x, y in guide] for guide in right[:0:-1]] + right
    return Sheet(
        tuple([(x + kx * k / 4, y) for k, (x, y) in enumerate(guide)] for guide in whole),
        count=2000,
        locks=46,
        gather=0.25,
        wave=0.008,
        turns=1.0,
        stray=0.006,
        ragged=0.03,
        root=0.03,
        band=(0.42, 0.13),
    )


def bun(side: float) -> Hairdo:
    lean = 0.05 if side > 0 else -0.05
    coil = tuple(
        [
            (-0.36 + lean, -1.74 + 0.10 * k),
            (-0.22 + lean, -1.84 - 0.36 * k),
            (0.05 + lean, -1.86 - 0.46 * k),
            (0.30 + lean, -1.82 - 0.30 * k),
            (0.37 + lean, -1.70 + 0.10 * k),
        ]
        for k in (0.85, 0.45, 0.1, -0.25, -0.6)
    )
    ball = Sheet(coil, count=900, locks=14, gather=0.2, wave=0.015, turns=1.2, ragged=0.02, band=(0.42, 0.16))
    return Hairdo((ball,), (), (_drawn_back((lean, -1.68)),))


def ponytail(side: float) -> Hairdo:
    """Tied behind, the tail brought forward over a shoulder."""
    sign = 1.0 if side > 0 else -1.0
    tail = tuple(
        [
            (sign * (0.55 + 0.20 * k), 0.35 - 0.15 * k),
            (sign * (0.86 + 0.26 * k), 0.85),
            (sign * (0.92 + 0.34 * k), 1.45),
            (sign * (0.86 + 0.32 * k), 2.05),
            (sign * (0.84 + 0.12 * k), 2.66),
        ]
        for k in (1.0, 0.5, 0.0, -0.5)
    )
    sheet = Sheet(
        tail, count=1000, locks=14, gather=0.5, wave=0.03, turns=1.6, unrest=0.35, ragged=0.12, band=(0.3, 0.12)
    )
    return Hairdo((), (sheet,), (_drawn_back((0.0, -1.70)),))

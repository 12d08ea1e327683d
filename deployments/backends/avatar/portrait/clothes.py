"""Clothes: a body of cloth with folds, then what makes each garment itself."""

from __future__ import annotations

import numpy as np

from deployments.backends.avatar.portrait import brush
from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import (
    UNIT,
    Field,
    Patch,
    Points,
    blurred,
    grain,
    mirror,
    shifted,
    smooth,
    spline,
)
from deployments.backends.avatar.portrait.palette import LIGHTS, blend, cloth, cloth_tones, ramp
from deployments.backends.avatar.portrait.relief import light
from deployments.backends.avatar.portrait.traits import Colour, Traits

_COARSE = 2
_BOTTOM = 3.3


def _side(a: Anatomy, x0: float, y0: float) -> Points:
    """The right edge of a garment from the neck at (x0, y0) over the shoulder to the bottom of the picture."""
    s = a.shoulder
    return spline(
        [
            (x0, y0),
            (max(x0 + 0.25, a.neck * 1.65), 2.04),
            (s * 0.80, 2.245),
            (s * 0.97, 2.50),
            (s * 1.06, 2.90),
            (s * 1.09, _BOTTOM + 0.05),
        ],
        50,
    )


def _body(a: Anatomy, neckline: Points) -> Points:
    """The closed outline of a garment whose neckline runs from the left to the right."""
    right = _side(a, float(neckline[-1, 0]), float(neckline[-1, 1]))
    return np.concatenate([neckline, right, mirror(right)])


def _neckline(a: Anatomy, depth: float, width: float = 1.10, point: float = 0.0) -> Points:
    """An opening `depth` low and `width` necks wide; `point` 0 is round, 1 a V."""
    w = a.neck * width
    y0 = 1.80 + 0.16 * (width - 1.0)
    half = [
        (0.0, depth),
        (w * (0.5 - 0.05 * point), depth - (0.10 + 0.42 * point) * (depth - y0)),
        (w * 0.9, y0 + (0.42 - 0.2 * point) * (depth - y0)),
        (w, y0),
    ]
    right = spline(half, 30)
    return np.concatenate([mirror(right), right[1:]])


class Tailor:
    """Paints cloth for one person on one sheet."""

    def __init__(self, pixels: Field, traits: Traits, a: Anatomy) -> None:
        self.traits, self.a = traits, a
        self.patch = Patch(pixels, -2.8, 1.2, 2.8, _BOTTOM)
        self.random = stream(traits.seed, "clothes")
        self.fall = self._folds()

    def _folds(self) -> Field:
        """The light on the chest, shoulders and folds of a garment, 0 to 1."""
        x, y = self.patch.x[:, ::_COARSE], self.patch.y[::_COARSE]
        s = self.a.shoulder
        z = 0.9 * np.sqrt(np.clip(1 - (np.abs(x) / (s * 1.12)) ** 2.4, 0, 1) + 0.01) + 0 * y
        z = z - 0.42 * smooth(3.6, 1.7, y) * (0.4 + np.sqrt(x * x + 0.12) / s)
        for sign in (-1, 1):
            z = z + 0.05 * np.exp(-0.5 * (((x - sign * 0.62) / 0.36) ** 2 + ((y - 3.0) / 0.34) ** 2))
            for _ in range(5):
                # Folds run from the armpit inwards and hang from the shoulder.
                cx, cy = sign * self.random.uniform(0.45, 1.0) * s * 0.85, self.random.uniform(2.45, 3.2)
                turn = sign * self.random.uniform(0.5, 1.25)
                length, breadth = self.random.uniform(0.18, 0.42), self.random.uniform(0.02, 0.05)
                u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
                v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn) + 0.35 * u * u * sign
                fold = np.exp(-0.5 * ((u / length) ** 2 + (v / breadth) ** 2))
                z = z + self.random.uniform(-0.036, 0.038) * fold * (breadth / 0.035)
        diffuse, _ = light(z.astype(np.float32), LIGHTS[self.traits.lighting], _COARSE / UNIT)
        fine = brush.resized(diffuse, self.patch.shape[1], self.patch.shape[0])
        head = self.patch.fill(self.a.outline() * (1.05, 1.0) + (0.10, 0.62), blur=0.16)
        return fine * (1 - 0.38 * head)

    def sew(
        self, outline: Points, colour: Colour, weave: float = 0.012, lift: float = 0.0, cast: float = 0.05
    ) -> Field:
        """Lays a piece of cloth: its shadow on what is below, then itself. Returns its coverage."""
        alpha = self.patch.fill(outline, blur=0.004)
        if cast:
            shadow = self.patch.fill(shifted(outline, 0.010, 0.022), blur=cast * 0.55)
            self.patch.multiply(shadow * (1 - alpha) * 0.55, (0.45, 0.38, 0.42))
        texture = grain(self.random, self.patch.shape, 2) if weave else np.float32(0)
        value = self.fall + lift + weave * texture
        # The edge of a piece turns away from the light.
        value = value - 0.10 * smooth(0.95, 0.5, blurred(alpha, 2.5))
        self.patch.over(alpha, ramp(cloth_tones(colour), (0.0, 0.34, 0.70, 1.0), np.clip(value, 0, 1)))
        return alpha

    def seam(self, line: Points, width: float = 0.012, strength: float = 0.5) -> None:
        self.patch.multiply(self.patch.stroke(line, width, blur=0.005) * strength, (0.45, 0.40, 0.44))
        self.patch.screen(
            self.patch.stroke(shifted(line, 0.012, 0.010), width, blur=0.006) * strength * 0.22, (1.0, 0.97, 0.94)
        )

    def both(self, points: list[tuple[float, float]], count: int = 30, closed: bool = False) -> list[Points]:
        """A curve and its mirror image."""
        right = spline(points, count, closed)
        return [right * (-1, 1), right]


def paint_clothes_behind(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """What of the clothes lies behind the neck: the back of a collar, a hood."""
    tailor = Tailor(pixels, traits, a)
    colour = cloth(traits.clothes_colour)
    w = a.neck
    if traits.clothes == "hoodie":
        right = spline([(0, 1.45), (w * 0.9, 1.42), (w * 1.5, 1.55), (w * 1.75, 1.85), (w * 1.7, 2.2), (0, 2.4)], 40)
        tailor.sew(np.concatenate([right, mirror(right)]), colour, lift=-0.16)
    elif traits.clothes in ("shirt", "suit", "blouse"):
        inner = cloth("white") if traits.clothes == "suit" else colour
        right = spline([(0, 1.66), (w * 0.8, 1.62), (w * 1.10, 1.68), (w * 1.16, 1.9), (0, 2.1)], 30)
        tailor.sew(np.concatenate([right, mirror(right)]), inner, lift=-0.25, cast=0)


def paint_clothes(pixels: Field, traits: Traits, a: Anatomy) -> None:
    tailor = Tailor(pixels, traits, a)
    GARMENTS[traits.clothes](tailor, cloth(traits.clothes_colour))


def _band(tailor: Tailor, neckline: Points, colour: Colour, width: float) -> None:
    """A ribbed band along a neckline."""
    line = shifted(neckline, 0, width * 0.45)
    edge = np.concatenate([shifted(neckline, 0, -0.01), (shifted(line, 0, width * 0.55))[::-1]])
    tailor.sew(edge, colour, lift=0.03, cast=0.02)
    tailor.seam(shifted(line, 0, width * 0.55), 0.010, 0.45)


def _tee(tailor: Tailor, colour: Colour) -> None:
    neckline = _neckline(tailor.a, 2.16)
    tailor.sew(_body(tailor.a, neckline), colour)
    _band(tailor, neckline, colour, 0.085)


def _sweater(tailor: Tailor, colour: Colour) -> None:
    neckline = _neckline(tailor.a, 2.06, 1.08)
    alpha = tailor.sew(_body(tailor.a, neckline), colour, weave=0.0)
    knit = np.sin(tailor.patch.x * 120) * np.sin(tailor.patch.y * 70 + 1.2 * np.abs(np.sin(tailor.patch.x * 60)))
    tailor.patch.multiply(alpha * smooth(0.1, 0.9, knit) * 0.22, (0.55, 0.5, 0.52))
    _band(tailor, neckline, colour, 0.13)


def _turtleneck(tailor: Tailor, colour: Colour) -> None:
    a, w = tailor.a, tailor.a.neck
    tailor.sew(_body(a, _neckline(a, 2.02, 1.10)), colour)
    right = spline(
        [(0, 1.66), (w * 0.6, 1.63), (w * 1.02, 1.55), (w * 1.09, 1.66), (w * 1.14, 1.86), (w * 0.7, 2.04), (0, 2.09)],
        50,
    )
    tailor.sew(np.concatenate([right, mirror(right)]), colour, lift=0.02)
    roll = spline([(-w * 1.07, 1.72), (-w * 0.5, 1.84), (0, 1.87), (w * 0.5, 1.84), (w * 1.07, 1.72)], 50)
    tailor.seam(roll, 0.022, 0.55)


def _collar(tailor: Tailor, colour: Colour, open_at: float) -> None:
    """Two wings; `open_at` is the height at which the two edges meet."""
    w = tailor.a.neck
    for wing in tailor.both(
        [
            (w * 0.98, 1.60),
            (w * 1.14, 1.72),
            (w * 1.02, 2.04),
            (w * 0.72, 2.36),
            (w * 0.30, 2.14),
            (0.02, open_at),
            (w * 0.62, 1.90),
        ],
        7,
    ):
        smoothed = np.concatenate(
            [
                spline([tuple(p) for p in wing[:4]], 20),
                spline([tuple(p) for p in wing[3:5]], 4),
                spline([tuple(wing[4]), tuple(wing[5])], 4),
                spline([tuple(wing[5]), tuple(wing[6]), tuple(wing[0])], 16),
            ]
        )
        tailor.sew(smoothed, colour, lift=0.06, cast=0.06)


def _shirt(tailor: Tailor, colour: Colour) -> None:
    a = tailor.a
    tailor.sew(_body(a, _neckline(a, 2.34, 1.06, 0.9)), colour)
    for x in (-0.062, 0.062):
        tailor.seam(np.array([(x, 2.36), (x, 2.8), (x, 3.3)]), 0.010, 0.35)
    _buttons(tailor, [2.52, 2.88, 3.2], colour)
    _collar(tailor, colour, 2.34)


def _buttons(tailor: Tailor, heights: list[float], colour: Colour, x: float = 0.0) -> None:
    for y in heights:
        tailor.patch.multiply(tailor.patch.spot(x + 0.008, y + 0.012, 0.026, 0.026) * 0.6, (0.4, 0.35, 0.4))
        disc = smooth(0.030, 0.024, np.hypot(tailor.patch.x - x, tailor.patch.y - y))
        tailor.patch.over(disc, blend(colour, (0.96, 0.94, 0.90), 0.55))
        tailor.patch.multiply(
            smooth(0.016, 0.010, np.hypot(tailor.patch.x - x, tailor.patch.y - y)) * 0.5, (0.6, 0.55, 0.55)
        )


def _suit(tailor: Tailor, colour: Colour) -> None:
    a, w = tailor.a, tailor.a.neck
    white = cloth("white")
    tie = tailor.traits.tie_colour
    chest = np.concatenate(
        [
            _neckline(a, 2.34 if tie == "none" else 2.16, 1.06, 0.9),
            np.array([(1.0, 2.2), (1.0, 3.4), (-1.0, 3.4), (-1.0, 2.2)]),
        ]
    )
    tailor.sew(chest, white, lift=0.04)
    if tie == "none":
        _buttons(tailor, [2.58, 2.92], white)
    else:
        cloth_of_tie = cloth(tie)
        blade = np.array([(-0.085, 2.34), (0.085, 2.34), (0.175, 3.4), (-0.175, 3.4)])
        tailor.sew(blade, cloth_of_tie, lift=0.02)
        knot = spline(
            [(-0.135, 2.10), (0.0, 2.085), (0.135, 2.10), (0.085, 2.345), (0.0, 2.37), (-0.085, 2.345)], 40, closed=True
        )
        tailor.sew(knot, cloth_of_tie, lift=0.08, cast=0.03)
    _collar(tailor, white, 2.34 if tie == "none" else 2.13)
    _jacket(tailor, colour, w)


def _jacket(tailor: Tailor, colour: Colour, w: float) -> None:
    a = tailor.a
    right = _side(a, w * 1.06, 1.74)
    for sign in (-1, 1):
        front = np.concatenate(
            [right, [(0.0, 3.4)], spline([(0.10, 3.35), (0.42, 2.75), (w * 0.98, 2.15), (w * 1.06, 1.74)], 20)]
        )
        tailor.sew(front * (sign, 1), colour, weave=0.016)
        lapel = np.concatenate(
            [
                spline([(w * 1.02, 1.70), (w * 1.20, 1.80), (w * 1.50, 2.18)], 12),
                [(w * 1.36, 2.30), (w * 1.66, 2.36)],
                spline([(w * 1.62, 2.42), (w * 1.30, 2.85), (0.36, 3.35)], 12),
                spline([(0.14, 3.35), (0.40, 2.78), (w * 0.88, 2.20), (w * 1.02, 1.70)], 16),
            ]
        )
        tailor.sew(lapel * (sign, 1), colour, weave=0.016, lift=0.05, cast=0.07)
        tailor.seam(np.array([(w * 1.36, 2.30), (w * 1.10, 2.22), (w * 0.93, 2.12)]) * (sign, 1), 0.010, 0.6)


def _blazer(tailor: Tailor, colour: Colour) -> None:
    """A jacket over a plain top."""
    a = tailor.a
    inner = cloth("white") if tailor.traits.clothes_colour not in ("white", "cream", "beige") else cloth("navy")
    top = np.concatenate([_neckline(a, 2.40, 1.10, 0.15), np.array([(1.0, 2.2), (1.0, 3.4), (-1.0, 3.4), (-1.0, 2.2)])])
    tailor.sew(top, inner)
    _jacket(tailor, colour, a.neck)


def _hoodie(tailor: Tailor, colour: Colour) -> None:
    a, w = tailor.a, tailor.a.neck
    tailor.sew(_body(a, _neckline(a, 2.22, 1.12, 0.3)), colour)
    for flap in tailor.both(
        [
            (w * 1.02, 1.62),
            (w * 1.45, 1.74),
            (w * 1.55, 2.05),
            (w * 0.95, 2.36),
            (0.0, 2.56),
            (0.0, 2.28),
            (w * 0.62, 2.10),
            (w * 0.98, 1.84),
        ],
        60,
        closed=True,
    ):
        tailor.sew(flap, colour, lift=0.04, cast=0.08)
    for x, end in ((-0.16, 2.98), (0.16, 2.90)):
        cord = spline([(x * 0.9, 2.42), (x * 1.15, 2.62), (x * 1.05, end)], 24)
        tailor.patch.multiply(
            tailor.patch.stroke(shifted(cord, 0.014, 0.016), 0.03, blur=0.014) * 0.5, (0.4, 0.36, 0.4)
        )
        tailor.patch.over(tailor.patch.stroke(cord, 0.026, blur=0.004), blend(colour, (0.97, 0.95, 0.92), 0.72))


def _blouse(tailor: Tailor, colour: Colour) -> None:
    neckline = _neckline(tailor.a, 2.52, 1.22, 0.75)
    tailor.sew(_body(tailor.a, neckline), colour, weave=0.006, lift=0.03)
    tailor.seam(shifted(neckline, 0, 0.03), 0.010, 0.35)


def _dress(tailor: Tailor, colour: Colour) -> None:
    neckline = _neckline(tailor.a, 2.56, 1.75, 0.0)
    tailor.sew(_body(tailor.a, neckline), colour, weave=0.006)
    tailor.seam(shifted(neckline, 0, 0.035), 0.010, 0.35)


GARMENTS = {
    "t-shirt": _tee,
    "sweater": _sweater,
    "turtleneck": _turtleneck,
    "shirt": _shirt,
    "suit": _suit,
    "blazer": _blazer,
    "hoodie": _hoodie,
    "blouse": _blouse,
    "dress": _dress,
}

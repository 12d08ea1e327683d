"""The proportions of a face: numbers that vary from person to person, and the curves they make.

The canon is the draughtsman's: eyes half-way down the head, the nose's base half-way from brow to chin, the lips a
third below it, five eye widths across; then gently stylised (eyes and irises somewhat larger than life). Nothing
here is measured on anybody.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from deployments.backends.avatar.portrait.canvas import Points, mirror, spline
from deployments.backends.avatar.portrait.traits import Traits


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream for one purpose: adding a purpose leaves the others as they were."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


_COMMON: Final = {
    # heritage -> how full nose and lips, how hooded lids often are
    "african": (1.0, 0.0),
    "latin american": (0.35, 0.0),
    "south asian": (0.3, 0.0),
    "southeast asian": (0.45, 0.3),
    "east asian": (0.2, 0.45),
}


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Lengths in face units. `smile` and `age` are copied from the traits as they bend the curves."""

    cheek: float
    """Half width at the cheekbones."""
    jaw: float
    """Half width at the corners of the jaw."""
    jaw_height: float
    chin: float
    """Half width of the chin."""
    chin_y: float
    eye_x: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    """How much higher the outer corner lies than the inner one."""
    hood: float
    """0 a deep lid crease to 1 a hooded or single lid."""
    iris: float
    brow_y: float
    brow_arch: float
    brow_weight: float
    nose_width: float
    nose_y: float
    """The base of the nose."""
    bridge: float
    """Half width of the bridge."""
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    bow: float
    """Depth of the cupid's bow."""
    neck: float
    shoulder: float
    ear: float
    smile: float
    age: float

    @classmethod
    def of(cls, traits: Traits) -> Anatomy:
        random = stream(traits.seed, "anatomy")
        fem = traits.femininity

        def about(masculine: float, feminine: float, spread: float) -> float:
            centre = masculine + (feminine - masculine) * fem
            return float(centre + spread * np.clip(random.standard_normal(), -1.8, 1.8))

        full, fold = _COMMON.get(traits.heritage, (0.1, 0.0))
        return cls(
            cheek=about(0.975, 0.935, 0.026),
            jaw=about(0.815, 0.715, 0.042),
            jaw_height=about(0.95, 0.90, 0.04),
            chin=about(0.285, 0.21, 0.034),
            chin_y=about(1.48, 1.40, 0.038),
            eye_x=about(0.44, 0.43, 0.014),
            eye_width=about(0.45, 0.485, 0.016),
            eye_height=about(0.186, 0.214, 0.014),
            eye_tilt=about(0.015, 0.034, 0.020),
            hood=float(np.clip(about(0.5, 0.3, 0.22) + fold + 0.25 * traits.age, 0, 1)),
            iris=about(0.112, 0.12, 0.003),
            brow_y=about(-0.275, -0.325, 0.018),
            brow_arch=about(0.045, 0.080, 0.018),
            brow_weight=about(1.12, 0.78, 0.15),
            nose_width=about(0.258, 0.205, 0.017) + 0.055 * full,
            nose_y=about(0.59, 0.54, 0.028),
            bridge=about(0.105, 0.085, 0.012) + 0.02 * full,
            mouth_y=about(0.91, 0.85, 0.018),
            mouth_width=about(0.38, 0.352, 0.020),
            upper_lip=about(0.066, 0.090, 0.010) + 0.022 * full - 0.014 * traits.age,
            lower_lip=about(0.099, 0.120, 0.013) + 0.022 * full - 0.012 * traits.age,
            bow=about(0.018, 0.026, 0.009),
            neck=about(0.625, 0.50, 0.02),
            shoulder=about(2.20, 1.82, 0.05),
            ear=about(1.0, 0.92, 0.04),
            smile=traits.smile,
            age=traits.age,
        )

    def outline(self) -> Points:
        """The closed outline of the bare head, ears left out."""
        sag = 0.02 * self.age
        right = [
            (0.0, -1.52),
            (0.38, -1.47),
            (0.72, -1.24),
            (0.925, -0.86),
            (self.cheek * 0.5 + 0.485, -0.42),
            (self.cheek * 0.99, -0.05),
            (self.cheek * 0.975, 0.25),
            ((self.cheek + self.jaw) / 2 + 0.01 + sag, 0.62),
            (self.jaw + sag, self.jaw_height),
            ((self.jaw + self.chin) / 2 + 0.045 + sag, (self.jaw_height + self.chin_y) / 2 + 0.055),
            (self.chin + 0.03, self.chin_y - 0.055),
            (self.chin * 0.45, self.chin_y - 0.004),
            (0.0, self.chin_y + 0.004),
        ]
        return spline(np.concatenate([right, mirror(right)[1:-1]]), 200, closed=True)

    def lip_line(self, count: int = 41) -> Points:
        """Where the closed lips meet, from the left corner to the right one."""
        w, y, lift = self.mouth_width, self.mouth_y, 0.014 + 0.062 * self.smile
        w = w * (1 + 0.06 * self.smile)
        half = [
            (0.0, y + 0.010),
            (0.10 * w / 0.36, y - 0.002),
            (0.20 * w / 0.36, y + 0.004 - 0.15 * lift),
            (0.29 * w / 0.36, y + 0.004 - 0.5 * lift),
            (w, y - lift),
        ]
        right = spline(half, count // 2 + 1)
        return np.concatenate([mirror(right), right[1:]])

    def upper_lip_edge(self, count: int = 41) -> Points:
        """The upper border of the upper lip, corner to corner, with the cupid's bow."""
        line = self.lip_line()
        w, corner, top = line[-1, 0], line[-1, 1], self.mouth_y - self.upper_lip
        half = [
            (0.0, top + self.bow * 0.75),
            (0.10 * w / 0.36, top - self.bow * 0.3),
            (0.19 * w / 0.36, top + 0.30 * (corner - top) * 0.5 + 0.006),
            (0.285 * w / 0.36, top + (corner - top) * 0.62),
            (w, corner),
        ]
        right = spline(half, count // 2 + 1)
        return np.concatenate([mirror(right), right[1:]])

    def lower_lip_edge(self, count: int = 41) -> Points:
        """The lower border of the lower lip, corner to corner."""
        line = self.lip_line()
        w, corner, low = line[-1, 0], line[-1, 1], self.mouth_y + self.lower_lip
        half = [
            (0.0, low + 0.004),
            (0.10 * w / 0.36, low),
            (0.20 * w / 0.36, low - 0.24 * (low - corner)),
            (0.295 * w / 0.36, low - 0.66 * (low - corner)),
            (w, corner),
        ]
        right = spline(half, count // 2 + 1)
        return np.concatenate([mirror(right), right[1:]])

    def upper_lid(self, count: int = 33) -> Points:
        """Edge of the upper lid of the eye on the picture's right, inner corner to outer corner."""
        return self._lid(
            [(-0.5, 0.10), (-0.40, -0.16), (-0.20, -0.47), (0.06, -0.56), (0.30, -0.40), (0.44, -0.14), (0.5, 0.03)],
            count,
        )

    def lower_lid(self, count: int = 33) -> Points:
        """Edge of the lower lid of the eye on the picture's right, inner corner to outer corner."""
        rise = 0.07 * self.smile
        return self._lid(
            [
                (-0.5, 0.10),
                (-0.36, 0.26 - rise / 2),
                (-0.10, 0.42 - rise),
                (0.14, 0.44 - rise),
                (0.34, 0.30 - rise),
                (0.5, 0.03),
            ],
            count,
        )

    def _lid(self, shape: list[tuple[float, float]], count: int) -> Points:
        curve = spline(shape, count)
        curve[:, 1] = curve[:, 1] * self.eye_height - curve[:, 0] * self.eye_tilt
        curve[:, 0] = curve[:, 0] * self.eye_width + self.eye_x
        return curve

    def brow(self, count: int = 40) -> Points:
        """The spine of the brow on the picture's right, from the nose outwards."""
        y, arch = self.brow_y, self.brow_arch
        return spline(
            [
                (0.178, y - 0.010),
                (0.30, y - 0.026),
                (0.45, y - 0.55 * arch - 0.015),
                (0.60, y - arch * 0.85),
                (0.72, y - arch * 0.55),
                (0.815, y + 0.060),
            ],
            count,
        )

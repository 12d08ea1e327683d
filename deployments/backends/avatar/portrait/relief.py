"""The form of the head as a height field, and the light on it.

A height is how far a point stands towards the viewer, in face units. The form is smooth, so it is worked out on a
coarse grid; whatever is sharp (lids, lips, nostrils) is drawn by its own painter on top.
"""

from __future__ import annotations

import numpy as np

from deployments.backends.avatar.portrait.anatomy import Anatomy
from deployments.backends.avatar.portrait.canvas import Field, Points, blurred, smooth
from deployments.backends.avatar.portrait.palette import Lighting


def _bump(x: Field, y: Field, cx: float, cy: float, sx: float, sy: float) -> Field:
    return np.exp(-0.5 * ((x - cx) / sx) ** 2) * np.exp(-0.5 * ((y - cy) / sy) ** 2)


def dome(x: Field, y: Field, outline: Points, centre: float) -> Field:
    """0 at the outline rising to 1 inside, star-shaped about (0, centre): 1 - (distance / radius)²·⁴."""
    dx, dy = outline[:, 0], outline[:, 1] - centre
    angles = np.arctan2(dy, dx)
    order = np.argsort(angles)
    table = np.interp(np.linspace(-np.pi, np.pi, 721), angles[order], np.hypot(dx, dy)[order], period=2 * np.pi)
    at = np.arctan2(y - centre, x + 0 * y)
    radius = np.interp(at, np.linspace(-np.pi, np.pi, 721), table).astype(np.float32)
    return 1 - np.minimum(np.hypot(x, y - centre) / radius, 1.0) ** 2.4


def face(x: Field, y: Field, a: Anatomy) -> Field:
    """Height of the face at x (1, w), y (h, 1)."""
    z = 0.86 * np.sqrt(dome(x, y, a.outline(), 0.12) + 0.012)
    side = np.abs(x)
    soft, lean = 1 - a.age, 0.012 * a.age

    def pair(height: float, cx: float, cy: float, sx: float, sy: float) -> None:
        nonlocal z
        z += height * _bump(side, y, cx, cy, sx, sy)

    # Forehead, brow ridge, sockets and the balls in them.
    z += 0.05 * _bump(x, y, 0, -0.85, 0.5, 0.3)
    pair(0.035 + 0.02 * (a.brow_weight - 0.8), 0.36, a.brow_y + 0.01, 0.26, 0.07)
    pair(-0.105, a.eye_x - 0.02, 0.0, 0.26, 0.13)
    pair(-0.048, 0.185, -0.05, 0.080, 0.12)
    pair(0.085, a.eye_x, 0.005, 0.155, 0.105)
    pair(-0.05, 0.93, -0.35, 0.13, 0.28)
    # Cheeks: the apple rises with a smile.
    pair(0.075 + 0.03 * a.smile, 0.53, 0.37 - 0.03 * a.smile, 0.21, 0.17)
    pair(0.03 * soft, 0.60, 0.70, 0.20, 0.22)
    pair(-0.025 - lean, 0.66, 0.72, 0.12, 0.2)
    # Nose: a ridge that widens and rises to the tip, the ball, the wings.
    base = a.nose_y
    along = np.clip((y + 0.22) / (base - 0.10 + 0.22), 0, 1.15)
    under = base + 0.045 - 0.09 * (x / a.nose_width) ** 2
    height = (0.055 + 0.175 * along**1.25) * smooth(-0.42, -0.12, y) * smooth(under + 0.06, under - 0.20, y)
    width = a.bridge * (0.95 + 0.45 * along**2)
    z += height * np.exp(-0.5 * (x / width) ** 2)
    z += 0.085 * _bump(x, y, 0, base - 0.115, a.nose_width * 0.40, 0.075)
    pair(0.085, a.nose_width * 0.74, base - 0.065, a.nose_width * 0.27, 0.062)
    pair(-0.022, a.nose_width * 1.18, base - 0.06, 0.035, 0.07)
    # Mouth: the muzzle, the philtrum, the two lips, the hollow below them, the chin.
    my = a.mouth_y
    z += 0.075 * _bump(x, y, 0, my - 0.02, 0.30, 0.20)
    z -= 0.020 * _bump(x, y, 0, (base + my - a.upper_lip) / 2 + 0.01, 0.032, 0.06)
    pair(0.013, 0.06, (base + my - a.upper_lip) / 2 + 0.01, 0.022, 0.06)
    z += 0.018 * _bump(x, y, 0, my - a.upper_lip * 0.45, 0.22, 0.03)
    z += 0.050 * _bump(x, y, 0, my + a.lower_lip * 0.55, 0.17, 0.040)
    pair(-0.030 - 0.02 * a.smile, a.mouth_width * 1.12, my - 0.02, 0.045, 0.06)
    z -= 0.040 * _bump(x, y, 0, my + a.lower_lip + 0.075, 0.17, 0.045)
    z += 0.075 * _bump(x, y, 0, a.chin_y - 0.20, 0.17 + 0.2 * (a.chin - 0.2), 0.11)
    return z.astype(np.float32)


def light(z: Field, lighting: Lighting, cell: float) -> tuple[Field, Field]:
    """Diffuse light 0 to 1 and gloss 0 to 1 on heights `z` sampled every `cell` face units.

    Diffuse light wraps around the form and its edge is softened, which is what light scattered under skin does.
    """
    dy, dx = np.gradient(z, cell)
    inverse = 1 / np.sqrt(1 + dx * dx + dy * dy)
    nx, ny, nz = -dx * inverse, -dy * inverse, inverse

    def facing(direction: tuple[float, float, float]) -> Field:
        d = np.asarray(direction, np.float32)
        d = d / np.linalg.norm(d)
        return nx * d[0] + ny * d[1] + nz * d[2]

    key = np.clip((facing(lighting.key) + 0.32) / 1.32, 0, 1)
    kx, ky, kz = lighting.key
    fill = np.clip((facing((-kx, -0.1, 0.8)) + 0.5) / 1.5, 0, 1)
    sky = 0.5 - 0.5 * ny
    bounce = np.clip(ny, 0, 1)
    diffuse = 0.80 * lighting.strength * key**1.25 + lighting.fill * 0.55 * fill + 0.09 * sky + 0.16 * bounce
    half = (kx * 0.5, ky * 0.5, kz * 0.5 + 0.75)
    gloss = np.clip(facing(half), 0, 1)
    gloss = 0.55 * gloss**26 + 0.45 * gloss**90
    return blurred(diffuse, 1.0), gloss.astype(np.float32)

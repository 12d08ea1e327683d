"""Eyes: ball, iris, lids and lashes."""

from __future__ import annotations

import numpy as np

from deployments.backends.avatar.portrait import brush
from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import Field, Patch, Points, blurred, hairs, shifted, smooth
from deployments.backends.avatar.portrait.palette import EYES, LIGHTS, blend, rgb
from deployments.backends.avatar.portrait.skin import skin_tone
from deployments.backends.avatar.portrait.traits import Traits

_LASH = (0.085, 0.05, 0.045)


def paint_eyes(pixels: Field, traits: Traits, a: Anatomy) -> None:
    for sign in (-1, 1):
        _paint_eye(pixels, traits, a, sign)


def _paint_eye(pixels: Field, traits: Traits, a: Anatomy, sign: int) -> None:
    turn = np.array([sign, 1.0])
    upper, lower = a.upper_lid() * turn, a.lower_lid() * turn
    patch = Patch.around(pixels, np.concatenate([upper, lower]), 0.2)
    tone = skin_tone(traits)
    opening = patch.fill(np.concatenate([upper, lower[::-1]]), blur=0.004)
    _socket(patch, traits, upper, lower)
    _ball(patch, opening, traits, a, sign, upper, lower)
    # Inner corner.
    inner = upper[0]
    patch.over(
        patch.spot(inner[0] + sign * 0.018, inner[1] - 0.004, 0.022, 0.016) * opening,
        blend(tone[2], (0.85, 0.42, 0.4), 0.55),
    )
    # The wet edge of the lower lid, then its lashes; the crease and the dark edge of the upper lid.
    edge = patch.stroke(shifted(lower, 0, 0.010), 0.018, blur=0.005)
    patch.over(edge * 0.75, blend(tone[3], (1.0, 0.72, 0.68), 0.35))
    patch.screen(patch.stroke(shifted(lower[8:26], 0, 0.005), 0.006, blur=0.003) * 0.45, (1.0, 0.95, 0.92))
    _lids(patch, traits, a, upper, lower, sign)


def _socket(patch: Patch, traits: Traits, upper: Points, lower: Points) -> None:
    tone = skin_tone(traits)
    lid = upper + np.stack([0 * upper[:, 0], -0.055 * np.sin(np.linspace(0.15, np.pi - 0.1, len(upper)))], 1)
    patch.over(patch.stroke(lid, 0.09, blur=0.03) * 0.35, blend(tone[1], (0.55, 0.25, 0.22), 0.25))
    patch.screen(patch.stroke(shifted(upper[6:24], 0, -0.045), 0.035, blur=0.014) * 0.22, tone[4])
    patch.over(patch.stroke(shifted(lower, 0, 0.045), 0.05, blur=0.022) * 0.25, blend(tone[1], tone[2], 0.4))


def _ball(patch: Patch, opening: Field, traits: Traits, a: Anatomy, sign: int, upper: Points, lower: Points) -> None:
    white = np.ones((*patch.shape, 3), np.float32) * np.array([0.955, 0.935, 0.915], np.float32)
    cx = sign * (a.eye_x - 0.004)
    cy = float(lower[:, 1].max()) - 0.93 * a.iris
    away = np.hypot((patch.x - cx) / (a.eye_width * 0.52), (patch.y - cy) / (a.eye_height * 0.9))
    white *= (1 - 0.20 * smooth(0.45, 1.15, away))[..., None] * np.array([1.0, 0.985, 0.98], np.float32)
    patch.over(opening, white)
    _iris(patch, opening, traits, a, cx, cy, sign)
    # The lid's shadow on the ball.
    lid = np.concatenate([shifted(upper, 0, -0.25), shifted(upper[::-1], 0, 0.034)])
    patch.multiply(patch.fill(lid, blur=0.016) * opening * 0.62, (0.42, 0.34, 0.36))
    # Light caught by the cornea: a soft window and its answer opposite.
    r = a.iris
    kx = np.sign(LIGHTS[traits.lighting].key[0])
    x0, y0 = cx + kx * 0.36 * r, cy - 0.36 * r
    patch.screen(patch.spot(x0, y0, 0.20 * r, 0.20 * r) ** 0.8 * opening * 0.9, (1, 1, 1))
    patch.over(smooth(0.24 * r, 0.15 * r, np.hypot(patch.x - x0, (patch.y - y0) * 0.9)) * opening * 0.96, (1, 1, 1))
    patch.screen(patch.spot(cx - kx * 0.38 * r, cy + 0.42 * r, 0.13 * r, 0.10 * r) * opening * 0.5, (1, 0.97, 0.92))


def _iris(patch: Patch, opening: Field, traits: Traits, a: Anatomy, cx: float, cy: float, sign: int) -> None:
    ring, heart = (rgb(code) for code in EYES[traits.eyes])
    r = a.iris
    dx, dy = patch.x - np.float32(cx), patch.y - np.float32(cy)
    rho = np.hypot(dx, dy) / r
    angle = np.arctan2(dy, dx)
    random = stream(traits.seed, f"iris{sign}")
    fibres = np.interp(np.linspace(0, 1, 720), np.linspace(0, 1, 97), random.standard_normal(97))
    fibres += 0.6 * np.interp(np.linspace(0, 1, 720), np.linspace(0, 1, 41), random.standard_normal(41))
    index = ((angle / (2 * np.pi) + 0.5) * 719).astype(np.intp)
    strand = fibres[index].astype(np.float32)
    alpha = smooth(1.04, 0.96, rho) * opening
    # Light enters above and pools below.
    pool = np.clip(0.38 + 0.62 * dy / r, 0, 1) * smooth(1.0, 0.5, rho)
    mix = np.clip(smooth(1.0, 0.62, rho) * 0.72 + 0.13 * strand * smooth(0.25, 0.5, rho) + 0.35 * pool, 0, 1.35)
    colour = np.asarray(ring, np.float32) + mix[..., None] * (
        np.asarray(heart, np.float32) - np.asarray(ring, np.float32)
    )
    colour += (0.20 * pool * smooth(0.3, 0.6, rho))[..., None] * np.asarray(heart, np.float32)
    patch.over(alpha, np.clip(colour, 0, 1))
    patch.multiply(alpha * smooth(0.80, 1.0, rho) * 0.6, (0.35, 0.33, 0.36))
    patch.over(smooth(0.46, 0.38, rho) * opening, (0.025, 0.02, 0.025))


def _lids(patch: Patch, traits: Traits, a: Anatomy, upper: Points, lower: Points, sign: int) -> None:
    tone = skin_tone(traits)
    lash = blend(_LASH, tone[0], 0.25 if traits.age > 0.6 else 0.0)
    t = np.linspace(0, 1, len(upper))
    # The crease follows the lid, higher over the middle, and fades at the inner corner.
    gap = (0.085 - 0.045 * a.hood) * np.sin(np.pi * np.clip(t * 0.9 + 0.08, 0, 1)) + 0.012
    crease = upper + np.stack([sign * 0.012 * t, -gap], 1)
    patch.over(
        patch.stroke(crease, 0.022 * np.sin(np.pi * np.clip(t * 0.85 + 0.1, 0, 1)) + 0.002, blur=0.007) * 0.62,
        blend(tone[0], tone[1], 0.35),
    )
    patch.screen(patch.stroke(shifted(crease, 0, -0.032), 0.02, blur=0.014) * 0.15, tone[4])
    weight = 0.016 + 0.014 * traits.femininity
    body = weight * (0.35 + 0.9 * t**0.8)
    line = np.concatenate([upper, [upper[-1] + (sign * 0.022, -0.002 - 0.012 * traits.femininity)]])
    patch.over(patch.stroke(shifted(line, 0, -0.004), np.append(body, 0.002) * 0.85, blur=0.005) * 0.9, lash)
    patch.over(
        patch.stroke(lower[6:], np.linspace(0.002, 0.010, len(lower) - 6), blur=0.005)
        * (0.35 + 0.25 * traits.femininity),
        blend(lash, tone[0], 0.4),
    )
    _lashes(patch, traits, upper, lower, sign, lash)


def _lashes(
    patch: Patch, traits: Traits, upper: Points, lower: Points, sign: int, colour: tuple[float, float, float]
) -> None:
    random = stream(traits.seed, f"lashes{sign}")
    fem = traits.femininity
    for line, count, length, rise, strength in (
        (upper, 34, 0.040 + 0.055 * fem, -1.0, 0.45 + 0.45 * fem),
        (lower, 22, 0.016 + 0.014 * fem, 1.0, 0.10 + 0.26 * fem),
    ):
        mask = np.zeros(patch.shape, np.uint8)
        at = np.linspace(0.30, 1.0, count) + random.normal(0, 0.006, count)
        root = line[(np.clip(at, 0, 1) * (len(line) - 1)).astype(int)]
        size = (length * (0.30 + 0.75 * at**1.5) * random.uniform(0.82, 1.12, count))[:, None]
        # Lashes fan outwards and curl up at their ends.
        lean = sign * (1.5 * (at - 0.38) + random.normal(0, 0.05, count))
        tip = root + size * np.stack([lean * 0.85, rise * (0.75 - 0.30 * at)], 1)
        bend = root + size * np.stack([lean * 0.60, rise * (0.10 + 0 * at)], 1)
        thick = np.full(count, 0.0092 if rise < 0 else 0.0062)
        for outline in hairs(root, bend, tip, thick):
            brush.fill(mask, patch.fixed(outline), 255)
        patch.over(blurred(mask.astype(np.float32) / 255, 0.7) * strength, colour)

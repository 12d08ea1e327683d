"""Skin: the head, ears, neck and what shows of the chest."""

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
from deployments.backends.avatar.portrait.palette import LIGHTS, SKINS, blend, ramp, rgb
from deployments.backends.avatar.portrait.relief import face, light
from deployments.backends.avatar.portrait.traits import Colour, Traits

_STOPS = (0.0, 0.30, 0.58, 0.86, 1.0)
_COARSE = 2
"""The form is worked out on every second pixel."""


def skin_tone(traits: Traits) -> list[Colour]:
    """The five colours of a skin from deep shadow to highlight, paler and yellower with age."""
    stops = [rgb(code) for code in SKINS[traits.skin]]
    return [blend(stop, (0.86, 0.78, 0.70), 0.10 * traits.age) if i else stop for i, stop in enumerate(stops)]


def _fine(field: Field, shape: tuple[int, int]) -> Field:
    return brush.resized(field, shape[1], shape[0])


def paint_neck(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """Neck and upper chest, with the shadow of the head on them."""
    patch = Patch(pixels, -2.4, 0.6, 2.4, 3.2)
    x, y = patch.x[:, ::_COARSE], patch.y[::_COARSE]
    slope = 2.02
    right = spline(
        [
            (a.neck * 1.02, 0.6),
            (a.neck * 0.98, 1.2),
            (a.neck * 0.99, 1.55),
            (a.neck * 1.12, 1.86),
            (a.neck * 1.6, slope + 0.02),
            (a.shoulder * 0.82, slope + 0.26),
            (a.shoulder, slope + 0.75),
            (a.shoulder * 1.02, 3.3),
        ],
        60,
    )
    outline = np.concatenate([right, mirror(right)])
    alpha = patch.fill(outline, blur=0.004)
    half = np.interp(y, right[:, 1], np.minimum(right[:, 0], a.neck * 1.12 + 0.9)).astype(np.float32)
    z = 0.62 * np.sqrt(np.clip(1 - (np.abs(x) / half) ** 2.2, 0, 1) + 0.02)
    side = np.abs(x)
    # The two muscles that run down to the notch, the notch, the collar bones, the throat.
    run = (y - 1.25) / 0.8
    z += 0.045 * np.exp(-0.5 * ((side - (0.44 - 0.34 * run) * a.neck / 0.55) / 0.06) ** 2) * smooth(1.2, 1.5, y)
    z -= 0.06 * np.exp(-0.5 * ((x / 0.09) ** 2 + ((y - 2.10) / 0.07) ** 2))
    bone = y - (2.12 - 0.10 * (side - 0.15))
    z += 0.035 * np.exp(-0.5 * (bone / 0.045) ** 2) * smooth(0.08, 0.25, side)
    z += (1 - traits.femininity) * 0.03 * np.exp(-0.5 * ((x / 0.07) ** 2 + ((y - 1.72) / 0.09) ** 2))
    diffuse, gloss = light(z.astype(np.float32), LIGHTS[traits.lighting], _COARSE / UNIT)
    # The head shades the neck: a broad shadow under the jaw, moved away from the key light.
    head = a.outline() * (0.96, 1.0) + (0.07, 0.30)
    shadow = patch.fill(head, blur=0.10)[::_COARSE, ::_COARSE]
    near = patch.fill(shifted(a.outline(), 0.02, 0.06), blur=0.06)[::_COARSE, ::_COARSE]
    diffuse = diffuse * (1 - 0.50 * shadow) * (1 - 0.25 * near)
    colour = ramp(skin_tone(traits), _STOPS, _fine(diffuse, patch.shape))
    patch.over(alpha, colour)
    patch.screen(alpha * _fine(gloss * (1 - shadow), patch.shape) * 0.10, (1.0, 0.9, 0.8))


def paint_ears(pixels: Field, traits: Traits, a: Anatomy) -> None:
    tone = skin_tone(traits)
    key = LIGHTS[traits.lighting].key[0]
    for sign in (-1, 1):
        s = a.ear
        shape = spline(
            [
                (0.93, -0.16),
                (1.02, -0.24 * s),
                (1.115, -0.20 * s),
                (1.15, -0.05),
                (1.125, 0.14),
                (1.075, 0.31),
                (1.03, 0.44 * s),
                (0.965, 0.45 * s),
                (0.92, 0.30),
            ],
            60,
            closed=True,
        ) * (sign, 1)
        patch = Patch.around(pixels, shape, 0.08)
        alpha = patch.fill(shape, blur=0.006)
        inside = blurred(alpha, 0.05 * UNIT)
        lit = 0.62 if sign * key > 0 else 0.50
        value = lit + 0.22 * (smooth(0.3, 1.0, inside) - 0.5)
        colour = ramp(tone, _STOPS, value)
        patch.over(alpha, colour)
        patch.over(alpha * 0.22, blend(tone[2], (0.85, 0.25, 0.18), 0.5))
        # The hollow behind the rim and the fold before it.
        hollow = np.array([(1.03, -0.13), (1.085, -0.10), (1.09, 0.04), (1.05, 0.18), (1.0, 0.20), (1.015, 0.05)])
        patch.over(patch.fill(spline(hollow, 40, closed=True) * (sign, 1), blur=0.022) * alpha * 0.62, tone[1])
        fold = spline([(1.005, -0.02), (1.045, 0.05), (1.03, 0.16), (0.99, 0.22)], 30) * (sign, 1)
        patch.over(patch.stroke(fold, 0.03, blur=0.013) * alpha * 0.55, tone[0])
        rim = spline([(1.0, -0.19), (1.075, -0.175), (1.115, -0.05), (1.09, 0.13)], 30) * (sign, 1)
        patch.screen(patch.stroke(rim, 0.022, blur=0.012) * alpha * 0.30, tone[4])


def paint_face(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """The head without features: form, warmth, pores, freckles, the marks of age."""
    patch = Patch(pixels, -1.12, -1.62, 1.12, a.chin_y + 0.06)
    x, y = patch.x[:, ::_COARSE], patch.y[::_COARSE]
    diffuse, gloss = light(face(x, y, a), LIGHTS[traits.lighting], _COARSE / UNIT)
    diffuse = _fine(diffuse * (1 - 0.5 * _occlusion(x, y, a)), patch.shape)
    random = stream(traits.seed, "skin")
    pores = grain(random, patch.shape, 3) * 0.5 + grain(random, patch.shape, 9) * 0.5
    diffuse += 0.006 * pores
    tone = skin_tone(traits)
    alpha = patch.fill(a.outline(), blur=0.005)
    colour = ramp(tone, _STOPS, diffuse)
    patch.over(alpha, colour)
    _warm(patch, alpha, traits, a)
    if traits.freckles:
        _freckles(patch, alpha, traits)
    if traits.age > 0.3:
        _wrinkles(patch, alpha, traits, a)
    patch.screen(alpha * _fine(gloss, patch.shape) * (0.21 + 0.006 * pores), blend(tone[4], (1, 1, 1), 0.3))
    _rim(patch, alpha, traits)


def _occlusion(x: Field, y: Field, a: Anatomy) -> Field:
    """0 to 1: where the form keeps light out. Soft, wide shadows that a height field alone does not cast."""
    side = np.abs(x)

    def spot(cx: float, cy: float, sx: float, sy: float) -> Field:
        return np.exp(-0.5 * ((side - cx) / sx) ** 2) * np.exp(-0.5 * ((y - cy) / sy) ** 2)

    shade = 0.42 * spot(a.eye_x, -0.125, 0.22, 0.065)
    shade += 0.34 * spot(0.175, -0.04, 0.07, 0.11)
    shade += 0.20 * spot(a.eye_x - 0.03, 0.15, 0.18, 0.05)
    shade += 0.22 * spot(0.0, a.nose_y + 0.025, a.nose_width * 0.55, 0.030)
    shade += 0.13 * spot(0.0, a.nose_y + 0.10, a.nose_width * 0.6, 0.07)
    # The nose's own shadow falls away from the key light.
    shade += 0.20 * np.exp(-0.5 * (((x - a.nose_width * 1.10) / 0.085) ** 2 + ((y - a.nose_y + 0.05) / 0.12) ** 2))
    shade += 0.45 * spot(0.0, a.mouth_y + a.lower_lip + 0.055, 0.17, 0.032)
    shade += 0.35 * spot(a.mouth_width * 1.10, a.mouth_y - 0.01, 0.05, 0.05)
    fold = a.nose_width * 1.15 + 0.35 * (y - a.nose_y + 0.08)
    reach = smooth(a.nose_y - 0.12, a.nose_y, y) * smooth(a.mouth_y + 0.03, a.mouth_y - 0.15, y)
    shade += (0.10 + 0.14 * a.smile + 0.20 * a.age) * reach * np.exp(-0.5 * ((side - fold) / 0.035) ** 2)
    return np.clip(shade, 0, 1).astype(np.float32)


def _warm(patch: Patch, alpha: Field, traits: Traits, a: Anatomy) -> None:
    """Blood under the skin: cheeks, nose, chin and lids; cooler at the jaw of a man."""
    glow = 0.85 * (patch.spot(-0.56, 0.40, 0.22, 0.15) + patch.spot(0.56, 0.40, 0.22, 0.15))
    glow += 0.55 * patch.spot(0, a.nose_y - 0.10, 0.13, 0.09) + 0.25 * patch.spot(0, a.chin_y - 0.16, 0.14, 0.09)
    glow += 0.30 * (patch.spot(-a.eye_x, -0.10, 0.2, 0.06) + patch.spot(a.eye_x, -0.10, 0.2, 0.06))
    glow *= 0.58 + 0.22 * traits.femininity
    patch.multiply(alpha * np.clip(glow, 0, 1), (1.0, 0.845, 0.83))
    if traits.femininity < 0.5:
        jaw = smooth(0.55, 0.95, patch.y) * np.ones_like(patch.x)
        patch.multiply(alpha * jaw * (0.5 - traits.femininity) * 0.35, (0.88, 0.92, 0.97))


def _freckles(patch: Patch, alpha: Field, traits: Traits) -> None:
    random = stream(traits.seed, "freckles")
    mask = np.zeros(patch.shape, np.uint8)
    count = 150
    xs = np.concatenate([random.normal(-0.42, 0.2, count), random.normal(0.42, 0.2, count), random.normal(0, 0.12, 60)])
    ys = np.concatenate([random.normal(0.30, 0.11, 2 * count), random.normal(0.25, 0.12, 60)])
    centres = patch.fixed(np.stack([xs, ys], 1)) / (1 << brush.SUBPIXEL)
    for (cx, cy), size in zip(centres.tolist(), random.uniform(0.6, 1.7, len(xs)), strict=True):
        brush.disc(mask, cx, cy, size, int(random.integers(90, 220)))
    spots = blurred(mask.astype(np.float32) / 255, 0.7)
    patch.multiply(alpha * spots * 0.42, (0.78, 0.55, 0.42))


def _wrinkles(patch: Patch, alpha: Field, traits: Traits, a: Anatomy) -> None:
    """Lines of the forehead, the eyes' corners, under the eyes and beside the mouth, each with a lit lower edge."""
    strength = smooth(0.3, 1.0, np.float32(traits.age)) * 0.40 + 0.06
    random = stream(traits.seed, "wrinkles")
    lines: list[tuple[Points, float]] = []
    for k, y in enumerate((-0.80, -0.68, -0.575)):
        w, sway = 0.42 - 0.05 * k, random.normal(0, 0.012, 5)
        xs = np.linspace(-w, w, 5)
        lines.append((spline(np.stack([xs, y + sway - 0.05 * (xs / w) ** 2], 1), 40), 0.016))
    for sign in (-1, 1):
        corner = a.eye_x + a.eye_width / 2
        for k in range(3):
            end = (corner + 0.20, -0.10 + 0.085 * k)
            lines.append(
                (
                    spline([(corner + 0.045, -0.02 + 0.025 * k), (corner + 0.12, end[1] * 0.6), end], 20) * (sign, 1),
                    0.013,
                )
            )
        lines.append(
            (
                spline([(a.eye_x - 0.20, 0.14), (a.eye_x - 0.05, 0.225), (a.eye_x + 0.16, 0.20)], 30) * (sign, 1),
                0.018,
            )
        )
        fold = [
            (a.nose_width * 1.08, a.nose_y - 0.13),
            (a.nose_width * 1.30 + 0.03, a.nose_y),
            (a.mouth_width * 1.14, a.mouth_y - 0.13),
            (a.mouth_width * 1.22, a.mouth_y + 0.02),
        ]
        lines.append((spline(fold, 40) * (sign, 1), 0.026))
    for line, width in lines:
        taper = np.sin(np.linspace(0.05, np.pi - 0.05, len(line))) * width * 1.5
        patch.multiply(patch.stroke(line, taper, blur=0.013) * alpha * strength, (0.62, 0.46, 0.42))
        patch.screen(
            patch.stroke(shifted(line, 0, 0.02), taper, blur=0.011) * alpha * strength * 0.22, (1.0, 0.86, 0.74)
        )


def _rim(patch: Patch, alpha: Field, traits: Traits) -> None:
    """Light from behind catches the edge that the key light leaves dark."""
    inside = blurred(alpha, 0.035 * UNIT)
    edge = smooth(0.95, 0.62, inside) * alpha
    side = smooth(0.2, 0.9, patch.x * (1 if LIGHTS[traits.lighting].key[0] < 0 else -1)) * smooth(1.25, 0.3, patch.y)
    patch.screen(edge * side * LIGHTS[traits.lighting].rim * 0.42, blend(skin_tone(traits)[4], (1.0, 0.86, 0.7), 0.4))

"""Lips and nostrils."""

from __future__ import annotations

import numpy as np

from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import Field, Patch, grain, shifted, smooth, spline
from deployments.backends.avatar.portrait.palette import CLOTHS, blend, rgb
from deployments.backends.avatar.portrait.skin import skin_tone
from deployments.backends.avatar.portrait.traits import Colour, Traits


def paint_mouth(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """Closed lips: each rolls from light to shade, the lower one shines."""
    tone = skin_tone(traits)
    line, top, low = a.lip_line(), a.upper_lip_edge(), a.lower_lip_edge()
    patch = Patch.around(pixels, np.concatenate([top, low]), 0.12)
    rose = blend((0.80, 0.36, 0.34), (0.72, 0.30, 0.32), 1 - traits.femininity)
    natural = blend(tone[2], rose, 0.46 + 0.22 * traits.femininity - 0.14 * traits.age)
    if traits.lipstick != "none":
        natural = blend(natural, rgb(CLOTHS[traits.lipstick]), 0.62)
    upper = patch.fill(np.concatenate([top, line[::-1]]), blur=0.010)
    lower = patch.fill(np.concatenate([line, low[::-1]]), blur=0.010)
    middle = np.interp(patch.x[0], line[:, 0], line[:, 1]).astype(np.float32)[None, :]
    ceiling = np.interp(patch.x[0], top[:, 0], top[:, 1]).astype(np.float32)[None, :]
    floor = np.interp(patch.x[0], low[:, 0], low[:, 1]).astype(np.float32)[None, :]
    # 0 at the border of a lip, 1 where the lips meet.
    up = np.clip((patch.y - ceiling) / np.maximum(middle - ceiling, 0.01), 0, 1)
    down = np.clip((floor - patch.y) / np.maximum(floor - middle, 0.01), 0, 1)
    dark = (natural[0] * 0.66, natural[1] * 0.56, natural[2] * 0.56)
    creases = grain(stream(traits.seed, "lips"), patch.shape, 4).mean(0, keepdims=True) * 6
    shade = np.clip(0.18 + 0.62 * up**1.4, 0, 1)
    patch.over(upper * 0.92, _between(natural, dark, shade))
    glow = smooth(0.05, 0.55, down) * smooth(1.0, 0.55, down)
    light = blend(natural, (1.0, 0.86, 0.82), 0.28)
    patch.over(lower * 0.90, _between(_between(natural, dark, 0.55 * smooth(0.30, 0.0, down)), light, 0.75 * glow))
    patch.multiply(lower * np.clip(0.10 * creases, 0, 0.2) * glow, (0.72, 0.6, 0.6))
    width = a.mouth_width
    gloss = patch.spot(-0.06, a.mouth_y + a.lower_lip * 0.46, width * 0.30, 0.020)
    gloss = gloss * np.clip(1 + 0.25 * creases, 0.4, 1.5)
    patch.screen(lower * gloss * (0.20 + 0.16 * traits.femininity), (1, 0.95, 0.93))
    patch.screen(patch.stroke(shifted(top[8:-8], 0, -0.010), 0.012, blur=0.007) * 0.20, tone[4])
    # Where the lips meet: darkest in the middle third and at the corners.
    t = np.linspace(-1, 1, len(line))
    ends = 0.010 + 0.010 * np.cos(t * np.pi / 2) + 0.006 * np.exp(-(((np.abs(t) - 0.93) / 0.06) ** 2))
    crease = (tone[0][0] * 0.72, tone[0][1] * 0.50, tone[0][2] * 0.52)
    patch.over(patch.stroke(line, ends * 1.9, blur=0.011) * 0.50, crease)
    patch.over(patch.stroke(line, ends * 0.75, blur=0.004) * 0.72, crease)
    for sign in (-1, 1):
        corner = line[-1] * (sign, 1)
        patch.over(patch.spot(corner[0] + sign * 0.012, corner[1], 0.026, 0.020) * 0.48, tone[0])


def paint_nose(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """Nostrils, the crease around the wings, the light on the tip."""
    tone = skin_tone(traits)
    w, y = a.nose_width, a.nose_y
    patch = Patch(pixels, -w * 1.8, y - 0.9, w * 1.8, y + 0.2)
    for sign in (-1, 1):
        hole = spline(
            [
                (w * 0.26, y + 0.010),
                (w * 0.36, y - 0.016),
                (w * 0.56, y - 0.022),
                (w * 0.64, y - 0.004),
                (w * 0.46, y + 0.014),
            ],
            30,
            closed=True,
        ) * (sign, 1)
        patch.over(patch.fill(hole, blur=0.012) * 0.78, (tone[0][0] * 0.62, tone[0][1] * 0.5, tone[0][2] * 0.5))
        wing = spline(
            [(w * 0.93, y - 0.135), (w * 1.05, y - 0.07), (w * 0.98, y - 0.005), (w * 0.76, y + 0.018)], 30
        ) * (sign, 1)
        taper = 0.018 * np.sin(np.linspace(0.3, np.pi - 0.2, 30))
        patch.over(patch.stroke(wing, taper, blur=0.011) * (0.32 if sign < 0 else 0.40), tone[0])
    patch.over(
        patch.stroke(spline([(-w * 0.3, y + 0.012), (0, y + 0.035), (w * 0.3, y + 0.012)], 20), 0.016, blur=0.010)
        * 0.35,
        tone[0],
    )
    patch.screen(patch.spot(-0.030, y - 0.135, 0.050, 0.036) * 0.34, tone[4])
    patch.screen(patch.spot(-0.022, y - 0.42, 0.024, 0.15) * 0.16, tone[4])


def _between(a: Field | Colour, b: Field | Colour, share: Field) -> Field:
    """For each pixel, `share` of b in a."""
    first, second = np.asarray(a, np.float32), np.asarray(b, np.float32)
    return first + share[..., None] * (second - first)

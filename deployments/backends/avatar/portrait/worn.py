"""What is worn on the head: glasses, earrings, a beanie, a hijab."""

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


def _rim(a: Anatomy, shape: str, sign: int) -> Points:
    cx, cy = a.eye_x + 0.012, 0.035
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    power, rx, ry = (1.0, 0.300, 0.275) if shape == "round" else (0.62, 0.325, 0.215)
    x = cx + rx * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power
    y = cy + ry * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power
    if shape == "square":
        y = y + 0.05 * (x - cx) * (y - cy) / ry
    return np.stack([x * sign, y], 1)


_FRAMES: tuple[Colour, ...] = ((0.10, 0.08, 0.08), (0.28, 0.16, 0.10), (0.62, 0.49, 0.28), (0.18, 0.20, 0.27))


def _frame(patch: Patch, traits: Traits, lines: list[Points]) -> None:
    """Wires of the seed's frame, with their shadow on the face and the light on their upper edge."""
    colour = _FRAMES[int(stream(traits.seed, "glasses").integers(len(_FRAMES)))]
    width = 0.030 if traits.glasses == "square" else 0.022
    frame = np.maximum.reduce([patch.stroke(line, width, blur=0.003) for line in lines])
    shadow = blurred(np.roll(frame, (7, 4), (0, 1)), 0.014 * UNIT)
    patch.multiply(shadow * 0.42, (0.55, 0.40, 0.36))
    patch.over(frame, colour)
    upper = np.maximum.reduce([patch.stroke(shifted(line, 0, -0.004), width * 0.3, blur=0.004) for line in lines])
    patch.screen(upper * frame * smooth(0.1, -0.25, patch.y) * 0.5, (1.0, 0.97, 0.92))


def paint_temples(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """The arms of the glasses, which run under the hair."""
    if traits.glasses == "none":
        return
    outer = float(_rim(a, traits.glasses, 1)[:, 0].max())
    arms = [spline([(outer, -0.07), (1.0, -0.085), (1.06, -0.08)], 20) * (sign, 1) for sign in (-1, 1)]
    _frame(Patch(pixels, -1.15, -0.3, 1.15, 0.2), traits, arms)


def paint_glasses(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """Thin frames around the eyes; the glass is clear but for a faint streak of light."""
    if traits.glasses == "none":
        return
    patch = Patch(pixels, -1.15, -0.4, 1.15, 0.5)
    rims = [_rim(a, traits.glasses, sign) for sign in (-1, 1)]
    inner = float(np.abs(rims[1][:, 0]).min())
    bridge = spline([(-inner - 0.004, -0.02), (0.0, -0.075), (inner + 0.004, -0.02)], 30)
    glass = patch.fill(*rims)
    patch.screen(glass * 0.035, (0.9, 0.95, 1.0))
    for sign in (-1, 1):
        streak = smooth(0.055, 0.0, np.abs(patch.x - sign * a.eye_x + 0.55 * (patch.y - 0.03) + 0.13))
        patch.screen(streak * glass * 0.075, (1.0, 1.0, 1.0))
    _frame(patch, traits, [*(np.concatenate([rim, rim[:2]]) for rim in rims), bridge])


def paint_earrings(pixels: Field, traits: Traits, a: Anatomy) -> None:
    if traits.earrings == "none" or traits.headwear == "hijab":
        return
    for sign in (-1, 1):
        x, y = sign * 1.005, 0.425 * a.ear
        patch = Patch(pixels, x - 0.3, y - 0.15, x + 0.3, y + 0.5)
        if traits.earrings == "hoops":
            t = np.linspace(0, 2 * np.pi, 60)
            ring = np.stack([x + sign * 0.02 + 0.10 * np.cos(t), y + 0.155 + 0.165 * np.sin(t)], 1)
            patch.over(patch.stroke(ring, 0.022, blur=0.003), (0.74, 0.56, 0.26))
            patch.screen(patch.stroke(ring[30:48], 0.008, blur=0.004) * 0.8, (1.0, 0.95, 0.8))
        else:
            patch.multiply(patch.spot(x + 0.008, y + 0.022, 0.03, 0.03) * 0.5, (0.5, 0.35, 0.3))
            patch.over(smooth(0.036, 0.029, np.hypot(patch.x - x, patch.y - y)), (0.93, 0.88, 0.80))
            patch.screen(patch.spot(x - 0.010, y - 0.011, 0.010, 0.010), (1.0, 1.0, 1.0))


def _sew(patch: Patch, outline: Field, z: Field, colour: str, traits: Traits, weave: float) -> None:
    """Cloth of the given form where `outline` covers."""
    diffuse, _ = light(z.astype(np.float32), LIGHTS[traits.lighting], 2 / UNIT)
    value = brush.resized(diffuse, patch.shape[1], patch.shape[0])
    value = value + weave * grain(stream(traits.seed, "headwear"), patch.shape, 2)
    value = value - 0.10 * smooth(0.95, 0.5, blurred(outline, 3))
    patch.over(outline, ramp(cloth_tones(cloth(colour)), (0.0, 0.34, 0.70, 1.0), np.clip(value, 0, 1)))


def paint_beanie(pixels: Field, traits: Traits) -> None:
    patch = Patch(pixels, -1.45, -2.15, 1.45, -0.2)
    x, y = patch.x[:, ::2], patch.y[::2]
    right = spline([(0, -1.98), (0.5, -1.92), (0.98, -1.60), (1.20, -1.10), (1.19, -0.62)], 50)
    low = spline([(1.19, -0.62), (0.8, -0.80), (0.4, -0.89), (0, -0.91)], 30)
    dome = np.concatenate([right, low])
    dome = np.concatenate([dome, mirror(dome)])
    cover = patch.fill(dome, blur=0.006)
    shadow = patch.fill(shifted(dome, 0.02, 0.07), blur=0.05)
    patch.multiply(shadow * (1 - cover) * smooth(-1.2, -0.9, patch.y) * 0.6, (0.5, 0.36, 0.34))
    z = 0.95 * np.sqrt(
        np.clip(1 - (np.abs(x) / 1.24) ** 2.3, 0, 1) * np.clip(1 - (np.clip(-0.75 - y, 0, 2) / 1.26) ** 2.2, 0, 1)
        + 0.01
    )
    brim_y = -0.62 - 0.29 * (1 - (x / 1.19) ** 2)
    brim = smooth(brim_y - 0.34, brim_y - 0.30, y)
    ribs = np.sin(np.arcsin(np.clip(x / 1.28, -1, 1)) * 46)
    _sew(patch, cover, z + brim * 0.045 + ribs * (0.006 + 0.004 * brim), traits.headwear_colour, traits, 0.012)
    fold = spline([(-1.2, -0.96), (-0.7, -1.16), (0, -1.235), (0.7, -1.16), (1.2, -0.96)], 60)
    patch.multiply(patch.stroke(fold, 0.030, blur=0.012) * cover * 0.55, (0.45, 0.40, 0.44))


def paint_hijab(pixels: Field, traits: Traits, a: Anatomy) -> None:
    """A scarf around the face and over the chest."""
    patch = Patch(pixels, -2.2, -2.0, 2.2, 3.0)
    x, y = patch.x[:, ::2], patch.y[::2]
    hole = spline(
        [
            (0.0, -1.04),
            (0.42, -0.96),
            (0.74, -0.66),
            (0.89, -0.2),
            (0.905, 0.25),
            (0.80, 0.80),
            (0.56, 1.18),
            (0.27, a.chin_y - 0.07),
            (0.0, a.chin_y - 0.02),
        ],
        60,
    )
    opening = np.concatenate([hole, mirror(hole)[1:-1]])
    head = spline(
        [
            (0.0, -1.74),
            (0.55, -1.66),
            (1.02, -1.28),
            (1.24, -0.62),
            (1.26, 0.1),
            (1.20, 0.8),
            (1.10, 1.4),
            (1.25, 1.86),
            (1.62, 2.16),
            (1.75, 2.5),
            (1.35, 2.72),
            (0.6, 2.86),
            (0.0, 2.92),
        ],
        90,
    )
    outer = np.concatenate([head, mirror(head)[1:-1]])
    inside = patch.fill(opening, blur=0.006)
    cover = patch.fill(outer, blur=0.006) * (1 - inside)
    patch.multiply(
        patch.fill(shifted(outer, 0.02, 0.05), blur=0.05) * (1 - cover) * (1 - inside) * 0.45, (0.45, 0.4, 0.44)
    )
    edge = blurred(1 - inside, 0.055 * UNIT)
    patch.multiply(inside * smooth(0.0, 0.5, edge) * 0.62, (0.52, 0.36, 0.33))
    # Folds follow the face round and cross below the chin.
    away = np.hypot(x / 0.93, (y - 0.2) / 1.24)
    turn = np.arctan2(x, -(y - 0.2))
    random = stream(traits.seed, "hijab")
    p1, p2 = random.uniform(0, 6.28, 2)
    z = 0.80 * np.sqrt(np.clip(1 - (np.abs(x) / (1.30 + 0.55 * smooth(1.3, 2.3, y))) ** 2.4, 0, 1) + 0.01)
    z = z + 0.035 * np.exp(-0.5 * ((away - 1.05) / 0.05) ** 2)
    around = np.sin(17 * away + 1.7 * np.sin(turn * 2 + p1)) + 0.6 * np.sin(29 * away + 2.5 * np.cos(turn + p2))
    z = z + 0.010 * around * smooth(1.06, 1.25, away)
    drape = np.sin(9.0 * (y - 0.55 * x) + 1.2 * np.sin(2.2 * x + p2)) + 0.5 * np.sin(15 * (y - 0.35 * x) + p1)
    z = z + 0.026 * drape * smooth(1.35, 1.8, y)
    z = z - 0.10 * np.exp(-0.5 * (((y - 1.62) / 0.14) ** 2 + (x / 0.62) ** 2))
    _sew(patch, cover, z, traits.headwear_colour, traits, 0.004)
    under = patch.fill(shifted(a.outline(), 0.02, 0.20), blur=0.08)
    patch.multiply(cover * under * smooth(0.9, 1.4, patch.y) * 0.6, (0.55, 0.48, 0.52))
    patch.multiply(
        patch.stroke(np.concatenate([opening, opening[:2]]), 0.03, blur=0.012) * cover * 0.5,
        blend((0.3, 0.28, 0.3), cloth(traits.headwear_colour), 0.4),
    )

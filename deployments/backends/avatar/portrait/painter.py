"""The order in which a portrait is painted, from the wall behind to the glasses in front."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.backdrop import finish, paint_backdrop
from deployments.backends.avatar.portrait.beard import paint_beard
from deployments.backends.avatar.portrait.brows import paint_brows
from deployments.backends.avatar.portrait.canvas import ORIGIN, SIDE, UNIT, Field, Points, blurred, smooth, to_pixels
from deployments.backends.avatar.portrait.clothes import paint_clothes, paint_clothes_behind
from deployments.backends.avatar.portrait.eyes import paint_eyes
from deployments.backends.avatar.portrait.hair import hair_layers
from deployments.backends.avatar.portrait.mouth import paint_mouth, paint_nose
from deployments.backends.avatar.portrait.skin import paint_ears, paint_face, paint_neck
from deployments.backends.avatar.portrait.strands import Layer
from deployments.backends.avatar.portrait.traits import Traits
from deployments.backends.avatar.portrait.worn import (
    paint_beanie,
    paint_earrings,
    paint_glasses,
    paint_hijab,
    paint_temples,
)


def paint(traits: Traits) -> Field:
    """(SIDE, SIDE, 3) float32, sRGB 0 to 1."""
    a = Anatomy.of(traits)
    pixels = paint_backdrop(traits)
    behind, shoulders, front = hair_layers(traits)
    for layer in behind:
        layer.lay(pixels)
    paint_clothes_behind(pixels, traits, a)
    paint_neck(pixels, traits, a)
    paint_clothes(pixels, traits, a)
    _shade_under(pixels, shoulders)
    for layer in shoulders:
        layer.lay(pixels)
    paint_ears(pixels, traits, a)
    paint_earrings(pixels, traits, a)
    paint_face(pixels, traits, a)
    paint_nose(pixels, traits, a)
    paint_beard(pixels, traits, a)
    paint_eyes(pixels, traits, a)
    paint_mouth(pixels, traits, a)
    paint_brows(pixels, traits, a)
    paint_temples(pixels, traits, a)
    _shade_under(pixels, front)
    for layer in front:
        layer.lay(pixels)
    if traits.headwear == "beanie":
        paint_beanie(pixels, traits)
    paint_glasses(pixels, traits, a)
    if traits.headwear == "hijab":
        paint_hijab(pixels, traits, a)
    pixels = _tilted(pixels, traits.seed)
    finish(pixels, traits)
    return pixels


def _lean(seed: int) -> float:
    """Radians that the head leans to one side: nobody sits like a passport photograph."""
    return float(np.radians(np.clip(stream(seed, "tilt").normal(0, 1.6), -2.6, 2.6)))


def _leaning(x: Field, y: Field, lean: float) -> tuple[Field, Field]:
    """Where a point of the finished picture comes from: a turn about the base of the neck that fades below it."""
    turn = np.float32(lean) * smooth(2.6, 0.9, y)
    return x - turn * (y - np.float32(2.0)), y + turn * x


def placed(points: Points, seed: int) -> Points:
    """Where points of the upright face come to lie on the finished sheet, in its pixels (pixel centres are whole)."""
    aim = np.asarray(points, np.float32)
    x, y = aim[:, 0], aim[:, 1]
    for _ in range(8):
        from_x, from_y = _leaning(x, y, _lean(seed))
        x, y = x + aim[:, 0] - from_x, y + aim[:, 1] - from_y
    return to_pixels(np.stack([x, y], 1).astype(np.float64))


def _tilted(pixels: Field, seed: int) -> Field:
    x, y = ((np.arange(SIDE, dtype=np.float32) - np.float32(ORIGIN[k])) / np.float32(UNIT) for k in range(2))
    source = _leaning(x[None, :], y[:, None], _lean(seed))
    map_x, map_y = (source[k] * np.float32(UNIT) + np.float32(ORIGIN[k]) for k in range(2))
    leaning = cv2.remap(pixels, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(leaning, np.float32)


def _shade_under(pixels: Field, layers: list[Layer]) -> None:
    """The soft shadow that hair casts on what it hangs over."""
    if not layers:
        return
    cover = np.zeros((SIDE, SIDE), np.float32)
    for layer in layers:
        height, width = layer.alpha.shape
        view = cover[layer.top : layer.top + height, layer.left : layer.left + width]
        np.maximum(view, layer.alpha, out=view)
    shadow = np.roll(blurred(cover, 13), (14, 5), (0, 1))
    pixels *= 1 - 0.55 * shadow[..., None] * (1 - np.array([0.60, 0.43, 0.40], np.float32))

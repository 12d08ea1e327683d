"""What is behind the person, out of focus: it has no detail, so it is painted small and enlarged."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from deployments.backends.avatar.portrait import brush
from deployments.backends.avatar.portrait.anatomy import stream
from deployments.backends.avatar.portrait.canvas import SIDE, Field, blurred, grain, smooth
from deployments.backends.avatar.portrait.palette import LIGHTS, blend, cloth
from deployments.backends.avatar.portrait.traits import Colour, Traits

_SMALL = 256
_PAPERS: tuple[Colour, ...] = (
    (0.85, 0.80, 0.72),
    (0.35, 0.45, 0.50),
    (0.62, 0.36, 0.26),
    (0.42, 0.46, 0.36),
    (0.2, 0.22, 0.28),
)


def _gradient(light: Colour, dark: Colour, x: float, y: float, reach: float) -> Field:
    """A pool of light at (x, y), shares of the side, that dies away over `reach`."""
    rows, columns = np.mgrid[0:_SMALL, 0:_SMALL].astype(np.float32) / _SMALL
    far = smooth(0.0, 1.0, np.hypot(columns - x, (rows - y) * 0.9) / reach)[..., None]
    return np.asarray(light, np.float32) * (1 - far) + np.asarray(dark, np.float32) * far


def _box(image: Field, x0: float, y0: float, x1: float, y1: float, colour: Colour, share: float = 1.0) -> None:
    """Paints a rectangle given in shares of the side."""
    left, top, right, bottom = (round(v * _SMALL) for v in (x0, y0, x1, y1))
    part = image[max(top, 0) : bottom, max(left, 0) : right]
    part += share * (np.asarray(colour, np.float32) - part)


def _discs(image: Field, random: np.random.Generator, count: int, colours: list[Colour], size: float) -> None:
    """Lights out of focus: discs, slightly brighter at the edge."""
    taken = np.empty((0, 3))
    for _ in range(count):
        radius = random.uniform(0.35, 1.0) * size * _SMALL
        centre = random.uniform(0, _SMALL, 2)
        # Discs that overlap much make shapes, some of which a detector takes for faces.
        gap = np.hypot(taken[:, 0] - centre[0], taken[:, 1] - centre[1]) - taken[:, 2] - radius
        if (gap < -0.25 * radius).any():
            continue
        taken = np.concatenate([taken, [[*centre, radius]]])
        colour = colours[int(random.integers(len(colours)))]
        strength = random.uniform(0.10, 0.42)
        mask = np.zeros((_SMALL, _SMALL), np.uint8)
        brush.disc(mask, centre[0], centre[1], radius, 210)
        brush.disc(mask, centre[0], centre[1], radius, 255, max(1, int(radius * 0.12)))
        alpha = blurred(mask.astype(np.float32) / 255, 0.8)[..., None] * strength
        image += alpha * np.asarray(colour, np.float32) * (1 - np.clip(image, 0, 1))


def _studio(colour: Colour, random: np.random.Generator) -> Field:
    light = blend(colour, (1.0, 0.98, 0.95), 0.34)
    image = _gradient(light, blend(colour, (0.05, 0.05, 0.08), 0.42), 0.40, 0.40, 0.85)
    mottle = (
        grain(random, (_SMALL, _SMALL), 44)[..., None] * 0.010 + grain(random, (_SMALL, _SMALL), 18)[..., None] * 0.004
    )
    return image * (1 + mottle)


def _office(colour: Colour, random: np.random.Generator) -> Field:
    image = _gradient((0.90, 0.90, 0.88), blend(colour, (0.50, 0.53, 0.56), 0.5), 0.2, 0.3, 1.1)
    # A tall window, a wall with shelves, a plant.
    for k in range(3):
        _box(image, 0.02 + 0.115 * k, 0.05, 0.115 + 0.115 * k, 0.66, (0.97, 0.985, 1.0), 0.9)
    _box(image, 0.0, 0.70, 1.0, 1.0, (0.48, 0.42, 0.37), 0.55)
    for row in range(4):
        y = 0.10 + 0.15 * row
        _box(image, 0.66, y + 0.115, 1.0, y + 0.13, (0.40, 0.31, 0.25), 0.8)
        x = 0.67
        while x < 0.98:
            width = random.uniform(0.014, 0.034)
            tone = blend((0.66, 0.52, 0.42), _PAPERS[int(random.integers(len(_PAPERS)))], 0.5)
            _box(image, x, y + random.uniform(0.02, 0.05), x + width, y + 0.115, tone, 0.8)
            x += width + random.uniform(0.002, 0.02)
    image = blurred(image, 6.0)
    _discs(image, random, 5, [(1.0, 0.93, 0.8)], 0.05)
    return image


def _library(colour: Colour, random: np.random.Generator) -> Field:
    del colour
    image = _gradient((0.46, 0.33, 0.23), (0.17, 0.11, 0.08), 0.3, 0.3, 0.95)
    for row in range(7):
        y = 0.02 + 0.145 * row
        x = -0.02
        while x < 1.0:
            width = random.uniform(0.014, 0.036)
            warm = [(0.60, 0.24, 0.17), (0.26, 0.34, 0.40), (0.70, 0.52, 0.28), (0.30, 0.36, 0.24), (0.75, 0.66, 0.52)]
            _box(image, x, y + random.uniform(0.01, 0.05), x + width, y + 0.125, warm[int(random.integers(5))], 0.55)
            x += width + random.uniform(0.0, 0.008)
    image = blurred(image, 5.0)
    _discs(image, random, 8, [(1.0, 0.80, 0.5)], 0.06)
    return image * _gradient((1.12, 1.06, 1.0), (0.72, 0.70, 0.70), 0.4, 0.35, 0.9)


def _nature(colour: Colour, random: np.random.Generator) -> Field:
    del colour
    image = _gradient((0.80, 0.86, 0.56), (0.14, 0.26, 0.15), 0.30, 0.18, 1.05)
    for cell, amount in ((40, 0.10), (18, 0.06)):
        image *= 1 + amount * grain(random, (_SMALL, _SMALL), cell)[..., None]
    image = blurred(image, 3.0)
    _discs(image, random, 46, [(0.95, 1.0, 0.65), (0.75, 0.95, 0.55), (1.0, 0.95, 0.7)], 0.055)
    return blurred(image, 1.2)


def _city(colour: Colour, random: np.random.Generator) -> Field:
    del colour
    image = _gradient((0.30, 0.28, 0.42), (0.06, 0.07, 0.14), 0.45, 0.55, 0.9)
    _discs(image, random, 52, [(1.0, 0.75, 0.4), (1.0, 0.55, 0.35), (0.6, 0.75, 1.0), (1.0, 0.9, 0.75)], 0.055)
    return blurred(image, 1.0)


def _sky(colour: Colour, random: np.random.Generator) -> Field:
    del colour
    rows = np.linspace(0, 1, _SMALL, dtype=np.float32)[:, None, None]
    image = np.array([0.36, 0.58, 0.84], np.float32) * (1 - rows) + np.array([0.90, 0.90, 0.86], np.float32) * rows
    image = np.repeat(image, _SMALL, 1)
    clouds = smooth(0.2, 1.8, grain(random, (_SMALL, _SMALL), 60) + 0.5 * grain(random, (_SMALL, _SMALL), 26))
    return blurred(image + clouds[..., None] * 0.45 * (1 - image), 4.0)


def _room(colour: Colour, random: np.random.Generator) -> Field:
    del random
    image = _gradient((0.93, 0.86, 0.76), (0.50, 0.41, 0.35), 0.22, 0.30, 1.0)
    _box(image, 0.70, 0.12, 0.94, 0.42, (0.60, 0.54, 0.47), 0.7)
    _box(image, 0.72, 0.14, 0.92, 0.40, blend(colour, (0.85, 0.80, 0.72), 0.5), 0.8)
    _box(image, 0.0, 0.74, 1.0, 1.0, (0.44, 0.33, 0.27), 0.6)
    image = blurred(image, 7.0)
    lamp = np.exp(
        -0.5
        * sum(((g / _SMALL - c) / 0.13) ** 2 for g, c in zip(np.mgrid[0:_SMALL, 0:_SMALL], (0.34, 0.10), strict=True))
    )
    return image + (0.35 * lamp[..., None] * (1 - image)).astype(np.float32)


SCENES: dict[str, Callable[[Colour, np.random.Generator], Field]] = {
    "studio": _studio,
    "office": _office,
    "library": _library,
    "nature": _nature,
    "city": _city,
    "sky": _sky,
    "room": _room,
}


def paint_backdrop(traits: Traits) -> Field:
    """A fresh sheet, (SIDE, SIDE, 3), with the scene on it."""
    image = SCENES[traits.background](cloth(traits.background_colour), stream(traits.seed, "backdrop"))
    image = np.clip(image, 0, 1).astype(np.float32)
    if traits.lighting == "dramatic":
        image = image * 0.62
    return brush.resized(image, SIDE, SIDE, cv2.INTER_CUBIC)


def finish(pixels: Field, traits: Traits) -> None:
    """Tint of the light, vignette, a breath of grain: in place."""
    rows = np.linspace(-1, 1, SIDE, dtype=np.float32)
    away = np.hypot(rows[None, :], rows[:, None] * 0.95 + 0.08)
    pixels *= (1 - 0.26 * smooth(0.72, 1.45, away))[..., None] * np.asarray(LIGHTS[traits.lighting].tint, np.float32)
    pixels += 0.006 * grain(stream(0, "film"), (SIDE, SIDE), 1.5)[..., None]
    np.clip(pixels, 0, 1, out=pixels)

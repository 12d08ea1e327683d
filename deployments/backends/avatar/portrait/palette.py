"""Colours of skin, hair, eyes, cloth and walls, and the ramps that light makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from deployments.backends.avatar.portrait.canvas import Field
from deployments.backends.avatar.portrait.traits import Colour


def rgb(code: str) -> Colour:
    """`rrggbb` as sRGB 0 to 1."""
    return (int(code[0:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:6], 16) / 255)


SKINS: Final[dict[str, tuple[str, str, str, str, str]]] = {
    # deep shadow, shadow, half-tone, light, highlight
    "porcelain": ("7a3f3a", "c58a7c", "edc0ad", "fbdfd0", "fff4ea"),
    "fair": ("753a30", "bd7d68", "e6b197", "f7d4bd", "ffeeda"),
    "light": ("6b3226", "b06e54", "d9a07f", "f0c7a5", "ffe8cc"),
    "olive": ("5d2e1e", "9c6343", "c8956b", "e3b98f", "f8dfba"),
    "tan": ("54281a", "935a38", "bd865a", "dcae80", "f5d7ae"),
    "brown": ("3f1d13", "75422a", "9f653f", "c68f63", "ecc299"),
    "dark": ("2e140e", "5a3122", "80492f", "a86f4c", "dca982"),
    "deep": ("220f0b", "442419", "643826", "8a573e", "c89472"),
}

HAIRS: Final[dict[str, tuple[str, str, str]]] = {
    # shadow, body, shine
    "black": ("0b0a0d", "1f1b1e", "68616a"),
    "dark brown": ("170e0a", "38241a", "8a6550"),
    "brown": ("26160d", "5a3a25", "b58860"),
    "light brown": ("3b2514", "80593a", "d2a878"),
    "auburn": ("2a0f08", "6b2c18", "c77a4c"),
    "red": ("431407", "a03f18", "f0985a"),
    "ginger": ("5a230a", "bf6024", "ffb878"),
    "blonde": ("6b481f", "c79c58", "ffe9b0"),
    "platinum": ("8a7a62", "d9caa8", "fffbe6"),
    "grey": ("45454a", "8e8e92", "dcdce0"),
    "white": ("8f8d90", "d2d0d0", "ffffff"),
    "blue": ("0c1c4a", "2a55a8", "8fc0ff"),
    "pink": ("6e1f44", "d86a9a", "ffc4dc"),
    "purple": ("2c1150", "6a3aa0", "c49cf0"),
    "green": ("0d331f", "2f7d50", "98e0b0"),
}

EYES: Final[dict[str, tuple[str, str]]] = {
    # ring, heart of the iris
    "brown": ("2c1408", "8a4f24"),
    "dark brown": ("180b06", "58301a"),
    "hazel": ("3a2810", "a07a38"),
    "amber": ("4a2808", "c08428"),
    "green": ("16301c", "6f9c5c"),
    "blue": ("16304e", "6ba0cc"),
    "grey": ("2a343c", "94a4ac"),
}

CLOTHS: Final[dict[str, str]] = {
    "black": "26262b",
    "white": "eeebe6",
    "grey": "7d8088",
    "navy": "26355c",
    "blue": "3565a8",
    "light blue": "9dbfdf",
    "teal": "2a8084",
    "turquoise": "45b5b0",
    "green": "3f7d4e",
    "olive": "6d7044",
    "mint": "a5d8c2",
    "yellow": "e8bf4a",
    "mustard": "c6932f",
    "orange": "dd7c38",
    "coral": "ea7f6c",
    "red": "b83a36",
    "burgundy": "752a38",
    "pink": "e79ab0",
    "purple": "6f4a92",
    "lavender": "b3a1d6",
    "brown": "75503a",
    "beige": "d2bfa1",
    "cream": "efe3cb",
    "gold": "c9a14a",
    "silver": "b9bcc4",
}


def ramp(stops: tuple[str, ...] | list[Colour], at: tuple[float, ...], light: Field) -> Field:
    """(height, width, 3): the colour of each amount of light, between the stops given at `at` (rising)."""
    colours = np.array([rgb(stop) if isinstance(stop, str) else stop for stop in stops])
    axis = np.linspace(0, 1, 512)
    table = np.stack([np.interp(axis, at, colours[:, k]) for k in range(3)], 1).astype(np.float32)
    index = np.clip(light * 511, 0, 511).astype(np.intp)
    return table[index]


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of b in a."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


@dataclass(frozen=True, slots=True)
class Lighting:
    """Where the light comes from and its colour; directions are (right, down, towards the viewer)."""

    key: tuple[float, float, float]
    strength: float
    fill: float
    rim: float
    tint: Colour
    """Multiplies the finished picture."""


LIGHTS: Final[dict[str, Lighting]] = {
    "soft": Lighting((-0.50, -0.55, 0.75), 1.0, 0.34, 0.55, (1.0, 0.995, 0.985)),
    "warm": Lighting((-0.55, -0.42, 0.75), 1.02, 0.30, 0.70, (1.04, 0.985, 0.92)),
    "cool": Lighting((-0.50, -0.55, 0.75), 1.0, 0.34, 0.60, (0.955, 0.99, 1.04)),
    "dramatic": Lighting((-0.72, -0.48, 0.55), 1.02, 0.17, 0.85, (1.01, 0.99, 0.97)),
    "bright": Lighting((-0.38, -0.55, 0.82), 1.02, 0.40, 0.50, (1.02, 1.02, 1.02)),
}


def cloth(name: str) -> Colour:
    return rgb(CLOTHS[name])


def cloth_tones(colour: Colour) -> list[Colour]:
    """Deep shadow, shadow, body and light of a cloth."""
    deep = blend(scaled(colour, 0.30), (0.10, 0.06, 0.12), 0.25)
    shadow = blend(scaled(colour, 0.62), (0.20, 0.12, 0.22), 0.12)
    return [deep, shadow, colour, blend(colour, (1.0, 0.97, 0.92), 0.24)]


def scaled(colour: Colour, by: float) -> Colour:
    return (colour[0] * by, colour[1] * by, colour[2] * by)

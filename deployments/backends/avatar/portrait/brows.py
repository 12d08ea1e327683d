"""Eyebrows: short strands along a spine."""

from __future__ import annotations

import numpy as np

from deployments.backends.avatar.portrait import brush
from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import Field, Patch, blurred, hairs, shifted
from deployments.backends.avatar.portrait.palette import HAIRS, blend, rgb
from deployments.backends.avatar.portrait.skin import skin_tone
from deployments.backends.avatar.portrait.traits import Colour, Traits


def brow_colour(traits: Traits) -> Colour:
    """Dyed and fair hair goes with darker brows; the old have grey ones."""
    natural = {"blue": "dark brown", "pink": "dark brown", "purple": "dark brown", "green": "dark brown"}
    name = natural.get(traits.hair_colour, traits.hair_colour)
    shadow, body, _ = (rgb(code) for code in HAIRS[name])
    share = {"white": 0.35, "grey": 0.35, "platinum": 0.65, "blonde": 0.55}.get(name, 0.35)
    return blend(body, shadow, share)


def paint_brows(pixels: Field, traits: Traits, a: Anatomy) -> None:
    colour = brow_colour(traits)
    under = blend(colour, skin_tone(traits)[1], 0.5)
    for sign in (-1, 1):
        random = stream(traits.seed, f"brow{sign}")
        lift = (0, float(random.normal(0, 0.005)))
        spine = a.brow() * (sign, 1) + lift
        patch = Patch.around(pixels, spine, 0.14)
        t = np.linspace(0, 1, len(spine))
        # Full from the first third to the arch, thin at the tail.
        half = 0.043 * a.brow_weight * np.minimum(0.62 + 2.0 * t, 1.0) * (1 - 0.80 * np.clip((t - 0.42) / 0.58, 0, 1))
        patch.over(patch.stroke(spine[3:], half[3:] * 1.6, blur=0.016) * 0.50, under)
        mask = np.zeros(patch.shape, np.uint8)
        at = np.sort(random.uniform(0, 1, 300) ** 0.9)
        index = (at * (len(spine) - 1)).astype(int)
        across = random.uniform(-1, 1, 300)
        root = spine[index] + np.stack([0 * at, half[index] * across * 0.95], 1)
        # Hairs rise near the nose and lie along the arch; the upper ones lean down, the lower ones up.
        direction = np.radians(62 * np.exp(-at * 5.5) + 14 - 30 * at + 16 * across) + random.normal(0, 0.10, 300)
        size = (0.062 + 0.02 * at) * random.uniform(0.7, 1.15, 300)
        tip = root + size[:, None] * np.stack([sign * np.cos(direction), -np.sin(direction)], 1)
        bend = shifted((root + tip) / 2, sign * 0.008, -0.008)
        tones = random.uniform(110, 235, 300) * np.minimum(1.0, 0.55 + 3 * at)
        outlines = patch.fixed(hairs(root, bend, tip, np.full(300, 0.0066)).reshape(-1, 2)).reshape(300, -1, 2)
        for outline, tone in zip(outlines, tones, strict=True):
            brush.fill(mask, outline, int(tone))
        patch.over(blurred(mask.astype(np.float32) / 255, 0.5) * 0.9, colour)

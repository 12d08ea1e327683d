"""Eyebrows: short strands along a spine."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.backends.avatar.portrait.anatomy import Anatomy, stream
from deployments.backends.avatar.portrait.canvas import Patch, blurred, spline
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


def paint_brows(pixels: np.ndarray, traits: Traits, a: Anatomy) -> None:
    colour = brow_colour(traits)
    under = blend(colour, skin_tone(traits)[1], 0.5)
    for sign in (-1, 1):
        random = stream(traits.seed, f"brow{sign}")
        lift = (0, float(random.normal(0, 0.005)))
        spine = a.brow() * (sign, 1) + lift
        patch = Patch.around(pixels, spine, 0.14)
        t = np.linspace(0, 1, len(spine))
        # Full from the first third to the arch, thin at the tail.
        half = 0.046 * a.brow_weight * np.minimum((0.55 + 2.2 * t), 1.0) * (1 - 0.78 * np.clip((t - 0.45) / 0.55, 0, 1))
        patch.over(patch.stroke(spine, half * 1.75, blur=0.014) * 0.55, under)
        mask = np.zeros(patch.shape, np.uint8)
        for at in np.sort(random.uniform(0, 1, 190)):
            index = int(at * (len(spine) - 1))
            across = random.uniform(-1, 1)
            root = spine[index] + (0, half[index] * across * 0.9)
            # Hairs rise near the nose, lie along the arch, and lean down from above and up from below.
            direction = np.radians(72 - 80 * min(at * 1.5, 1.0) - 16 * across * 0 - 22 * (at > 0.75) * (at - 0.75) * 4)
            direction += np.radians(14) * across + random.normal(0, 0.10)
            size = (0.075 - 0.02 * at) * random.uniform(0.7, 1.15)
            tip = root + size * np.array([sign * np.cos(direction), -np.sin(direction)])
            bend = (root + tip) / 2 + (sign * 0.006, -0.004)
            hair = spline([tuple(root), tuple(bend), tuple(tip)], 7)
            taper = np.stack([np.linspace(0.0016, 0.0004, 7), np.linspace(0.0052, 0.0008, 7)], 1) * 0.9
            outline = np.concatenate([hair + taper, (hair - taper)[::-1]])
            tone = int(random.uniform(130, 255))
            cv2.fillPoly(mask, [patch.fixed(outline)], tone, cv2.LINE_AA, 4)
        patch.over(blurred(mask.astype(np.float32) / 255, 0.5) * 0.9, colour)

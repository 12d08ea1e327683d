"""Hairstyles by name, and their layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from deployments.backends.avatar.portrait import long_hair, short_hair, tied_hair
from deployments.backends.avatar.portrait.anatomy import stream
from deployments.backends.avatar.portrait.strands import Hairdo, Layer, Sheet, paint_sheet
from deployments.backends.avatar.portrait.traits import Traits

STYLES: Final[dict[str, Callable[[float], Hairdo]]] = {
    "bald": lambda _side: Hairdo(),
    "balding": short_hair.balding,
    "buzz cut": short_hair.buzz_cut,
    "short": short_hair.side_part,
    "swept back": short_hair.swept_back,
    "short curly": short_hair.curls,
    "pixie": short_hair.pixie,
    "afro": short_hair.afro,
    "long": long_hair.straight,
    "wavy": long_hair.wavy,
    "curly": long_hair.curly,
    "bob": long_hair.bob,
    "wavy bob": long_hair.wavy_bob,
    "curly bob": long_hair.curly_bob,
    "bun": tied_hair.bun,
    "ponytail": tied_hair.ponytail,
}
"""Each takes the place of the parting: -0.4 to 0.4, left to right."""


def hair_layers(traits: Traits) -> tuple[list[Layer], list[Layer], list[Layer]]:
    """The layers behind the neck, those on the shoulders and those over the face, each back to front."""
    if traits.headwear == "hijab":
        return [], [], []
    random = stream(traits.seed, "hair")
    side = float(random.choice([-1.0, 1.0]) * random.uniform(0.12, 0.34))
    hairdo = STYLES[traits.hair](side)
    front = hairdo.front
    if traits.fringe and traits.hair not in ("bald", "balding", "buzz cut"):
        front = (*front, long_hair.fringe(hairdo))
    stages = (hairdo.behind, hairdo.shoulders, front)
    behind, shoulders, over = (
        [paint_sheet(_aged(sheet, traits), traits, random) for sheet in stage] for stage in stages
    )
    return behind, shoulders, over


def _aged(sheet: Sheet, traits: Traits) -> Sheet:
    return replace(sheet, stray=sheet.stray * (1 + 0.6 * traits.age))

"""Hardware profiles: what the defaults are on a card of a given size (row A2)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipeline.settings import Profile

HIGH_GIGABYTES = 20
STANDARD_GIGABYTES = 8

PROFILES: Mapping[Profile, Mapping[str, Any]] = {
    "high": {"generation": {"batch": 4, "steps": 50, "image_size": 768}, "video": {"crf": 18, "preset": "fast"}},
    "standard": {
        "generation": {"batch": 2, "steps": 40, "image_size": 512, "slicing": True},
        "gpu": {"budget_gigabytes": 10.0},
    },
    "small": {
        "generation": {"batch": 1, "steps": 25, "image_size": 384, "slicing": True, "offload": "model"},
        "video": {"size": 384},
    },
    "cpu": {"generation": {"batch": 1, "steps": 25, "image_size": 512}},
}
"""Only what differs from the defaults written in `pipeline/settings.py`, which suit a CPU."""


def choose(vram_gigabytes: float | None) -> Profile:
    """The profile for a card with this much memory; None is no card.

    Sizes are rounded up to whole gigabytes first: drivers and ECC hold a little back, so a card sold as 20 GB
    reports 19.99, one sold as 8 GB 7.4 to 8.
    """
    if vram_gigabytes is None:
        return "cpu"
    nominal = math.ceil(vram_gigabytes)
    if nominal >= HIGH_GIGABYTES:
        return "high"
    return "standard" if nominal >= STANDARD_GIGABYTES else "small"


def defaults(profile: Profile, vram_gigabytes: float | None) -> dict[str, Any]:
    """The profile's layer of the cascade. Its budget is never above what the card has."""
    layer = {section: dict(values) for section, values in PROFILES[profile].items()}
    budget = layer.get("gpu", {}).get("budget_gigabytes")
    if budget is not None and vram_gigabytes is not None:
        layer["gpu"]["budget_gigabytes"] = min(budget, vram_gigabytes)
    return layer

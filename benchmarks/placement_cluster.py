"""A large cluster for benchmarks of placement: 1,000 cards of mixed sizes and 500 models."""

from __future__ import annotations

from random import Random
from typing import Final

from deployments.placement.facts import Card, Footprint

GB: Final = 10**9
CARDS: Final = 1000
MODELS: Final = 500


def mixed(random: Random) -> tuple[list[Card], dict[str, Footprint]]:
    """Cards of 10 to 80 GB, and models of 2 to 35 GB, of which each card holds at least the smallest."""
    cards = [Card(f"card-{i}", random.choice((10, 16, 24, 40, 80)) * GB) for i in range(CARDS)]
    footprints = {
        f"model-{i}": Footprint(
            need=random.choice((2, 3, 5, 7, 9, 14, 20, 35)) * GB,
            load_seconds=random.uniform(1, 20),
            concurrency=2,
            max_replicas=100,
        )
        for i in range(MODELS)
    }
    return cards, footprints

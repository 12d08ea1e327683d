"""Wall time of work that a card does while Python goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def timed(torch: Any, stage: Callable[[], object], card: bool, runs: int, warm: int) -> float:
    """Wall seconds of one run among so many in a row, after `warm` to get warm; without a card, of one single run."""
    for _ in range(warm if card else 0):
        stage()
    runs = runs if card else 1
    if card:
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(runs):
        stage()
    if card:
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / runs

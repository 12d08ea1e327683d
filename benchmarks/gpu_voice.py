"""What the scripts say of a voice that speaks whole sentences: its length, when it is heard, and how quick that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from benchmarks.gpu_timing import timed
from pipeline.contracts import Speech

TEXT: Final = "The birch canoe slid on the smooth planks, and the sheet was glued to the dark blue background."


def spoken(torch: Any, said: Callable[[], Speech], card: bool) -> dict[str, float]:
    """Figures by name of a voice that is warm; the memory that it takes at most is counted from here on."""
    if card:
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(torch, said, card, 5, 1)
    length = said().seconds
    return {
        "sound made, s": length,
        "heard after, which is when the sentence is said, ms": 1000 * seconds,
        "real-time factor": seconds / length,
    }

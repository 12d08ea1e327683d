"""How loud speech is over time, relative to itself."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Samples

RATE: Final = 100
"""Steps a second of every curve in this folder; step i is at time i / RATE."""

WINDOW: Final = 0.080
"""Seconds of the Hann window that the power is averaged over."""

SPAN: Final = 38.0
"""Decibels below the loud parts that count as no loudness at all."""

FLOOR: Final = -96.0
"""Decibels (full scale) that are silence however soft the rest is: the noise of 16-bit sound."""


def steps(samples: int, sample_rate: int) -> int:
    """How many steps cover so many samples, both ends included."""
    return samples * RATE // sample_rate + 1


def decibels(samples: Samples, sample_rate: int, window: float = WINDOW) -> NDArray[np.float32]:
    """(steps,) Hann-weighted RMS around each step in dB of full scale, at least -120; DC is taken out."""
    count = steps(len(samples), sample_rate)
    if len(samples) == 0:
        return np.full(count, -120.0, np.float32)
    mean = float(np.mean(samples, dtype=np.float64))
    # Power per millisecond or so first: a smooth window needs no more, and a long clip becomes short at once.
    cells_per_step = 10
    cells = np.zeros((count + 1) * cells_per_step, np.float64)
    edges = (np.arange(len(cells) + 1, dtype=np.int64) * sample_rate) // (RATE * cells_per_step)
    block = 4096
    for first in range(0, len(cells), block):
        bounds = np.minimum(edges[first : first + block + 1], len(samples))
        part = samples[bounds[0] : bounds[-1]].astype(np.float64) - mean
        total = np.concatenate(([0.0], np.cumsum(part * part)))
        cells[first : first + block] = np.diff(total[bounds - bounds[0]])
    width = max(3, round(window * RATE * cells_per_step) | 1)
    kernel = np.hanning(width + 2)[1:-1]
    kernel /= kernel.sum()
    cells *= RATE * cells_per_step / sample_rate
    power = np.convolve(np.pad(cells, width // 2), kernel, "valid")[: count * cells_per_step : cells_per_step]
    return (10 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)


def loudness(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """(steps,) 0 to 1 from decibels: 1 is the clip's loud parts (95th percentile), 0 is SPAN below them.

    Relative, so that a gain changes nothing; percentiles over the active part only, so that long pauses do
    not make a whisper of the speech between them.
    """
    active = level[level > max(FLOOR, float(level.max()) - 50)]
    if len(active) == 0:
        return np.zeros_like(level)
    loud = float(np.percentile(active, 95))
    scaled = np.clip((level - (loud - SPAN)) / SPAN, 0, 1)
    return np.where(level > FLOOR, scaled, 0).astype(np.float32)

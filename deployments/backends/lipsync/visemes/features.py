"""What the network hears: log-mel energies around each step, with level and channel taken out."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Samples

from .loudness import RATE, decibels, loudness, steps

BANDS: Final = 32
LOWEST, HIGHEST = 100.0, 7000.0
"""Hertz; the bands are triangles of equal width on the mel scale between them."""

WINDOW: Final = 0.025
"""Seconds of the Hann window of one spectrum."""

DEPTH: Final = 55.0
"""Decibels below the clip's loud parts at which a band is as good as silent."""

ACTIVE: Final = 0.35
"""Loudness from which a step counts as speech when the channel is measured."""

SHRINKAGE: Final = 50.0
"""Steps of typical speech that the channel estimate starts from, so that half a second is not taken for a
channel."""

TYPICAL: Final = np.interp(
    np.linspace(0, 1, BANDS), (0.0, 0.15, 0.35, 0.6, 0.8, 1.0), (-9.0, -4.0, -11.0, -20.0, -26.0, -30.0)
).astype(np.float32)
"""(bands,) dB relative to the loud level: the long-term average spectrum of speech (after Byrne et al., 1994),
rounded."""

_BLOCK: Final = 256
COLUMNS: Final = BANDS + 1


def features(samples: Samples, sample_rate: int, warp: float = 1.0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(steps, bands + 1) features of order 1, and (steps,) loudness 0 to 1.

    Any sample rate: bands above half of it stay at zero, the mean. A gain or a constant offset of the samples
    changes nothing. `warp` stretches the frequency axis, as a shorter or longer vocal tract does (training).
    """
    level = decibels(samples, sample_rate)
    loud = loudness(level)
    bands = mel(samples, sample_rate, warp)
    reference = _reference(bands, loud)
    bands = np.maximum(bands - reference, -DEPTH)
    speech = loud > ACTIVE
    channel = (bands[speech].sum(axis=0) + SHRINKAGE * TYPICAL) / (speech.sum() + SHRINKAGE)
    missing = _centres() * warp > 0.48 * sample_rate
    result = np.empty((len(bands), COLUMNS), np.float32)
    result[:, :BANDS] = np.where(missing, 0, (bands - channel) / 16)
    result[:, BANDS] = 2.5 * (loud - 0.6)
    return result, loud


def mel(samples: Samples, sample_rate: int, warp: float = 1.0) -> NDArray[np.float32]:
    """(steps, bands) log-mel power in dB, each spectrum centred on its step; sound outside the clip is zero."""
    count = steps(len(samples), sample_rate)
    width = max(16, round(WINDOW * sample_rate))
    size = 1 << (width - 1).bit_length()
    window = np.hanning(width + 2)[1:-1].astype(np.float32)
    bank = _bank(size, sample_rate, warp) / float(np.square(window).sum())
    mean = np.float32(np.mean(samples, dtype=np.float64)) if len(samples) else np.float32(0)
    result = np.empty((count, BANDS), np.float32)
    for first in range(0, count, _BLOCK):
        index = np.arange(first, min(first + _BLOCK, count), dtype=np.int64)
        start = index * sample_rate // RATE - width // 2
        low, high = max(int(start[0]), 0), min(int(start[-1]) + width, len(samples))
        part = np.zeros(int(start[-1]) + width - int(start[0]), np.float32)
        if high > low:
            part[low - start[0] : high - start[0]] = samples[low:high] - mean
        frames = np.lib.stride_tricks.sliding_window_view(part, width)[start - start[0]] * window
        spectrum = np.fft.rfft(frames, size)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        result[index] = 10 * np.log10(power @ bank + 1e-12)
    return result


def _reference(bands: NDArray[np.float32], loud: NDArray[np.float32]) -> float:
    """The loud level in dB: 95th percentile of the broadband power of the active steps."""
    total = 10 * np.log10(np.sum(10 ** (bands / 10), axis=1))
    active = total[loud > 0]
    return float(np.percentile(active, 95)) if len(active) else 0.0


def _hertz_to_mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 2595 * np.log10(1 + np.asarray(hertz, np.float64) / 700)


def _edges() -> NDArray[np.float64]:
    mels = np.linspace(_hertz_to_mel(LOWEST), _hertz_to_mel(HIGHEST), BANDS + 2)
    return 700 * (10 ** (mels / 2595) - 1)


def _centres() -> NDArray[np.float64]:
    return _edges()[1:-1]


def _bank(size: int, sample_rate: int, warp: float) -> NDArray[np.float64]:
    """(bins, bands) triangles. A band narrower than a bin takes its nearest bins by interpolation."""
    edges = _edges() * warp
    hertz = np.arange(size // 2 + 1) * sample_rate / size
    bin_width = sample_rate / size
    centre = edges[1:-1]
    below = np.maximum(centre - edges[:-2], bin_width)
    above = np.maximum(edges[2:] - centre, bin_width)
    offset = hertz[:, None] - centre
    bank = np.maximum(0, np.where(offset < 0, 1 + offset / below, 1 - offset / above))
    total = bank.sum(axis=0)
    # Per hertz, so that sample rate and FFT size do not move the bands against each other.
    return bank / np.maximum(total, 1e-9)

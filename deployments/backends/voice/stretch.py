"""Slower or faster speech at the same pitch: WSOLA (Verhelst and Roelands, ICASSP 1993)."""

from __future__ import annotations

import numpy as np

from pipeline.contracts import Samples

_FRAME = 0.030
"""Seconds: two to six pitch periods of a voice."""
_SEARCH = 0.008
"""Seconds to either side in which the next frame may be taken: most of a low voice's period."""


def stretch(samples: Samples, sample_rate: int, factor: float) -> Samples:
    """`samples` made `factor` times as long (0.25 to 4), to the sample: round(len * factor)."""
    target = round(len(samples) * factor)
    if not len(samples):
        return samples
    hop = max(1, round(_FRAME * sample_rate / 2))
    frame, search = 2 * hop, round(_SEARCH * sample_rate)
    if target == len(samples) or len(samples) < 2 * frame:
        places = np.linspace(0, max(0, len(samples) - 1), target)
        return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)

    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)).astype(np.float32)
    padded = np.pad(samples, (frame + search, 2 * frame + search))
    output = np.zeros(target + 2 * frame, np.float32)
    first = frame + search  # where the samples begin in `padded`
    place = first - hop
    for start in range(0, target + hop, hop):
        wanted = first - hop + round(start / factor)
        if start:
            natural = padded[place + hop : place + hop + frame]  # what would follow the frame just laid down
            around = padded[wanted - search : wanted + search + frame]
            place = wanted - search + _most_similar(around, natural)
        output[start : start + frame] += window * padded[place : place + frame]
    return output[hop : hop + target]


def shift(samples: Samples, sample_rate: int, semitones: float) -> Samples:
    """The same length, higher or lower: stretched, then resampled, so that formants move along. For small steps."""
    if abs(semitones) < 0.05 or not len(samples):
        return samples
    from scipy.signal import resample

    longer = stretch(samples, sample_rate, 2 ** (semitones / 12))
    return resample(longer, len(samples)).astype(np.float32)


def _most_similar(around: Samples, natural: Samples) -> int:
    """The offset in `around` at which it is most like `natural`, by normalised correlation."""
    if len(natural) == 0:
        return 0
    correlation = np.correlate(around, natural, "valid")
    energy = np.cumsum(np.concatenate([[0.0], around.astype(np.float64) ** 2]))
    length = len(natural)
    norm = np.sqrt(np.maximum(energy[length:] - energy[:-length], 1e-9))
    return int(np.argmax(correlation / norm))

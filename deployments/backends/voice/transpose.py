"""A voice a few semitones higher or lower, its formants left where they are: WORLD's analysis and synthesis."""

from __future__ import annotations

import math

import numpy as np

from deployments.backends.voice.world import FFT, STEP, analyse, world
from pipeline.contracts import Samples


def transpose(samples: Samples, sample_rate: int, semitones: float) -> Samples:
    """The same length and loudness. `sample_rate` is 16 to 24 kHz."""
    if not semitones or not len(samples):
        return samples
    vocoder = world()
    sound = samples.astype(np.float64)
    analysis = analyse(sound, sample_rate)
    breath = vocoder.d4c(sound, analysis.pitch, analysis.times, sample_rate, fft_size=FFT)
    moved = analysis.pitch * 2 ** (semitones / 12)
    made = vocoder.synthesize(moved, analysis.envelope, breath, sample_rate, STEP * 1000)[: len(sound)]
    made = np.pad(made, (0, len(sound) - len(made)))
    level = math.sqrt(float(np.mean(sound**2)) / max(float(np.mean(made**2)), 1e-12))
    made *= min(level, 0.98 / max(float(np.abs(made).max()), 1e-9))
    return made.astype(np.float32)

"""Pitch, spectrum and loudness of a voice, frame by frame, by WORLD (github.com/mmorise/World).

DIO and StoneMask find the pitch, CheapTrick the spectral envelope (Morise, Yokomori and Ozawa, 2016).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Hz at which voices are measured: 513 bins up to 8 kHz."""
FFT = 1024
STEP = 0.005
"""Seconds between frames."""
_LOWEST, _HIGHEST = 60.0, 500.0
"""Hz within which a speaking voice's pitch is looked for."""
_ACTIVE_DB = 35.0
"""A frame this far below the loud ones (95th percentile) is a pause."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One value (or row) a frame."""

    times: NDArray[np.float64]
    pitch: NDArray[np.float64]
    """Hz, 0 where nothing is voiced."""
    envelope: NDArray[np.float64]
    """(frames, FFT // 2 + 1) power."""
    loudness: NDArray[np.float64]
    """dB of 25 ms."""
    active: NDArray[np.bool_]
    """Not a pause."""


def analyse(sound: NDArray[Any], rate: int) -> Analysis:
    """`sound` is mono in [-1, 1] at 16 to 24 kHz."""
    vocoder = world()
    sound = np.ascontiguousarray(sound, np.float64)
    rough, times = vocoder.dio(sound, rate, f0_floor=_LOWEST, f0_ceil=_HIGHEST, frame_period=STEP * 1000)
    pitch = vocoder.stonemask(sound, rough, times, rate)
    envelope = vocoder.cheaptrick(sound, pitch, times, rate, fft_size=FFT)
    power = np.concatenate([[0.0], np.cumsum(sound**2)])
    start = np.clip((times - 0.0125) * rate, 0, len(sound)).astype(int)
    end = np.clip((times + 0.0125) * rate, 0, len(sound)).astype(int)
    loudness = 10 * np.log10(np.maximum(power[end] - power[start], 0) / np.maximum(end - start, 1) + 1e-10)
    return Analysis(times, pitch, envelope, loudness, loudness > np.percentile(loudness, 95) - _ACTIVE_DB)


def resampled(samples: NDArray[Any], rate: int, wanted: int) -> NDArray[np.float64]:
    """`samples` at another rate, by a polyphase filter."""
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    return resample_poly(samples.astype(np.float64), wanted // common, rate // common)


def world() -> ModuleType:
    """The binding to WORLD."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it reads its own version by the old pkg_resources
        import pyworld
    return pyworld

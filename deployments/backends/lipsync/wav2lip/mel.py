"""The sound as Wav2Lip hears it: 80 mel bands, 80 frames a second, from -4 to 4.

Constants are those of the authors' hparams.py and audio.py; filters are Slaney's, as librosa has them ("Auditory
Toolbox", 1998). The frames at both ends mirror the sound, as the librosa that the network was trained with did.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import get_window, lfilter

from pipeline.contracts import Samples

RATE: Final = 16000
"""Samples a second."""
HOP: Final = 200
FRAMES_PER_SECOND: Final = RATE // HOP
BANDS: Final = 80

_WINDOW: Final = 800
_LOWEST, _HIGHEST = 55.0, 7600.0
_PRE_EMPHASIS: Final = 0.97
_FLOOR: Final = 1e-5
_REFERENCE_DB, _RANGE_DB, _BOUND = 20.0, 100.0, 4.0


def mel(samples: Samples) -> NDArray[np.float32]:
    """(80, 1 + n // 200) float32 of (n,) sound at 16 kHz. Raises `ValueError` for fewer than 401 samples."""
    if len(samples) <= _WINDOW // 2:
        raise ValueError(f"{len(samples)} samples are too few to be mirrored at the ends")
    emphasised = lfilter([1.0, -_PRE_EMPHASIS], [1.0], samples.astype(np.float64))
    padded = np.pad(emphasised, _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP]
    window = get_window("hann", _WINDOW)
    made = np.empty((BANDS, len(frames)), np.float32)
    # In blocks of a second, all of one shape, the last one as well: the sums of a matrix product may go another way in
    # another shape, and sound that is cut at a second is to give the same frames to the last bit. It also keeps an
    # hour of sound from taking an hour's spectrum of memory.
    block = np.zeros((FRAMES_PER_SECOND, _WINDOW))
    for first in range(0, len(frames), FRAMES_PER_SECOND):
        count = min(FRAMES_PER_SECOND, len(frames) - first)
        np.multiply(frames[first : first + count], window, out=block[:count])
        magnitude = np.abs(np.fft.rfft(block))
        decibels = 20 * np.log10(np.maximum(_FLOOR, magnitude @ filters().T)) - _REFERENCE_DB
        scaled = 2 * _BOUND * (decibels + _RANGE_DB) / _RANGE_DB - _BOUND
        made[:, first : first + count] = np.clip(scaled[:count], -_BOUND, _BOUND).T
    return made


@lru_cache(maxsize=1)
def filters() -> NDArray[np.float64]:
    """(80, 401): triangles that share their corners, each of area one."""
    corners = _hertz(np.linspace(_mel(_LOWEST), _mel(_HIGHEST), BANDS + 2))
    bins = np.linspace(0, RATE / 2, _WINDOW // 2 + 1)
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    heights = 2 / (corners[2:] - corners[:-2])
    return np.maximum(0, np.minimum(rising, falling)) * heights[:, None]


_LINEAR_HERTZ: Final = 200 / 3
"""Hertz of a mel below 1 kHz; above it, 27 mels are a factor of 6.4."""
_KNEE_HERTZ, _LOG_STEP = 1000.0, np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < _KNEE_HERTZ:
        return hertz / _LINEAR_HERTZ
    return _KNEE_HERTZ / _LINEAR_HERTZ + float(np.log(hertz / _KNEE_HERTZ)) / _LOG_STEP


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE_HERTZ / _LINEAR_HERTZ
    return np.where(mels < knee, mels * _LINEAR_HERTZ, _KNEE_HERTZ * np.exp(_LOG_STEP * (mels - knee)))

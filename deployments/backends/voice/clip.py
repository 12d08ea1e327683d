"""Checks of a reference clip, before a voice is measured from it or kept."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deployments.backends.voice.world import FFT, RATE, STEP, Analysis, analyse, resampled
from pipeline.contracts import Samples
from pipeline.errors import InvalidAudio

SHORTEST = 3.0
"""Seconds of a clip."""
_LONGEST = 30.0
"""Seconds that are looked at."""
_QUIET = 10 ** (-50 / 20)
"""A clip whose peak is below -50 dB is silent."""
_FLAT = 0.01
"""Share of samples stuck at the peak from which a clip is clipped; speech as recorded has less than 0.0005."""
_ACCEPTED = "one person speaking for at least 3 s, neither clipped nor over music"

_CLARITY = 0.6
"""Correlation of a voiced frame with itself one period later; noise that DIO takes for voice stays below."""
_VOICED = 0.15
"""Share of the sound that is voiced: 0.4 to 0.8 in speech, under 0.05 in noise."""
_STEADY = 0.0004
"""Median change of ln(pitch) in 5 ms: 0.002 to 0.01 in speech, 0 in tones and notes."""
_LIVELY = 2.5
"""dB, standard deviation of loudness: 5 to 12 in speech, 0 to 2 in noise and drones."""

_APART = math.log(1.3)
"""Smallest difference of two people's pitch that can be told from one person's intonation."""
_COLOUR = 4.0
"""dB between the mean spectra of two people; those of one person's high and low words differ by 1.5 to 3."""
_FAR_APART, _FAR_COLOUR = math.log(1.5), 3.0
"""The same where their pitches are further apart than intonation goes."""


def check(samples: Samples, sample_rate: int) -> None:
    """Raises `InvalidAudio` for a clip (float32 mono) that no voice can be taken from.

    Codes: `empty`, `non_finite`, `too_short`, `silent`, `clipped`, `no_speech` (noise, tones, music) and
    `several_speakers`: only where two clearly different voices take turns, an expressive one passes.
    """
    if samples.ndim != 1 or not len(samples):
        raise _refusal("empty", "The clip has no samples.")
    if not 4000 <= sample_rate <= 384_000:
        raise _refusal("sample_rate", f"The clip has {sample_rate} samples a second.")
    if not np.isfinite(samples).all():
        raise _refusal("non_finite", "The clip has samples that are not numbers.")
    seconds = len(samples) / sample_rate
    if seconds < SHORTEST:
        raise _refusal("too_short", f"The clip is {seconds:.1f} s long; at least {SHORTEST:g} s are needed.")
    sound = samples[: int(_LONGEST * sample_rate)].astype(np.float64)
    sound -= sound.mean()
    peak = float(np.abs(sound).max())
    if peak < _QUIET:
        raise _refusal("silent", "The clip is silent.")
    sound /= peak
    if _stuck(sound) > _FLAT:
        raise _refusal("clipped", "The clip is clipped: it was recorded too loud.")
    analysis = analyse(resampled(sound, sample_rate, RATE), RATE)
    voiced = _voiced(resampled(sound, sample_rate, RATE), analysis)
    if not _is_speech(analysis, voiced):
        raise _refusal("no_speech", "No voice is heard in the clip: it is noise, a tone or music.")
    if _several(analysis, voiced):
        raise _refusal("several_speakers", "Two clearly different voices take turns in the clip.")


def _refusal(code: str, message: str) -> InvalidAudio:
    return InvalidAudio(message, code=code, field="clip", accepted=_ACCEPTED)


def _stuck(sound: NDArray[np.float64]) -> float:
    """Share of samples at their highest or lowest, 0 where there are fewer than just below (as in any sine)."""
    low, high = float(sound.min()), float(sound.max())
    place = np.where(sound > 0, sound / max(high, 1e-9), sound / min(low, -1e-9))
    top, below = float((place > 0.985).mean()), float(((place > 0.9) & (place <= 0.985)).mean())
    return top if top > below else 0.0


def _voiced(sound: NDArray[np.float64], analysis: Analysis) -> NDArray[np.bool_]:
    """Frames whose sound repeats after the period found."""
    from scipy.signal import butter, sosfilt

    low = sosfilt(butter(4, 1500, fs=RATE, output="sos"), sound)
    half = round(0.02 * RATE)
    low = np.pad(low, (2 * half, 4 * half))
    voiced = np.zeros(len(analysis.pitch), bool)
    for index in np.flatnonzero((analysis.pitch > 0) & analysis.active):
        centre = round(index * STEP * RATE) + 2 * half
        lag = round(RATE / analysis.pitch[index])
        here, later = low[centre - half : centre + half], low[centre - half + lag : centre + half + lag]
        norm = math.sqrt(float(here @ here) * float(later @ later))
        voiced[index] = norm > 0 and float(here @ later) > _CLARITY * norm
    return voiced


def _is_speech(analysis: Analysis, voiced: NDArray[np.bool_]) -> bool:
    active = analysis.active
    if voiced.sum() * STEP < 0.8 or voiced.sum() < _VOICED * active.sum():
        return False
    together = voiced[1:] & voiced[:-1]
    steps = np.abs(np.diff(np.log(np.maximum(analysis.pitch, 1.0))))[together]
    if not len(steps) or float(np.median(steps)) < _STEADY:
        return False
    return float(np.std(analysis.loudness[active])) > _LIVELY


def _several(analysis: Analysis, voiced: NDArray[np.bool_]) -> bool:
    """Whether runs of voice fall into two kinds by pitch that also differ in colour, and that last."""
    runs = _runs(voiced)
    if len(runs) < 6:
        return False
    bands = _bands(analysis)
    pitch = np.array([np.median(np.log(analysis.pitch[start:end])) for start, end in runs])
    weight = np.array([end - start for start, end in runs], float)
    high = _split(pitch, weight)
    share = float(weight[high].sum() / weight.sum())
    if not 0.15 <= share <= 0.85 or min(weight[high].sum(), weight[~high].sum()) * STEP < 0.8:
        return False
    upper, lower = np.average(pitch[high], weights=weight[high]), np.average(pitch[~high], weights=weight[~high])
    residual = np.where(high, pitch - upper, pitch - lower)
    within = math.sqrt(float(np.average(residual**2, weights=weight)))
    if upper - lower < max(_APART, 2.5 * within):
        return False
    turns = sum(bool(one != other) for one, other in pairwise(high))
    if turns > 0.4 * (len(runs) - 1):
        return False

    def colour(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        frames = np.concatenate([bands[start:end] for (start, end), keep in zip(runs, chosen, strict=True) if keep])
        mean = frames.mean(axis=0)
        return mean - mean.mean()

    return float(np.sqrt(np.mean((colour(high) - colour(~high)) ** 2))) > (
        _FAR_COLOUR if upper - lower > _FAR_APART else _COLOUR
    )


def _runs(voiced: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Frames (start, end) of unbroken voice of at least 80 ms."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], voiced.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if (b - a) * STEP >= 0.08]


def _bands(analysis: Analysis) -> NDArray[np.float64]:
    """(frames, 20) dB of the envelope in bands of equal width in mel from 150 Hz to 5 kHz."""
    mel = np.linspace(2595 * math.log10(1 + 150 / 700), 2595 * math.log10(1 + 5000 / 700), 21)
    edges = (700 * (10 ** (mel / 2595) - 1) / RATE * FFT).astype(int)
    decibels = 10 * np.log10(analysis.envelope + 1e-16)
    return np.stack([decibels[:, a : max(b, a + 1)].mean(axis=1) for a, b in pairwise(edges)], axis=1)


def _split(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values are in the upper of the two groups with the least weighted variance."""
    order = np.argsort(values, kind="stable")
    best, threshold = math.inf, float(values[order[-1]])
    for cut in range(1, len(order)):
        cost = 0.0
        for part in (order[:cut], order[cut:]):
            mean = np.average(values[part], weights=weight[part])
            cost += float((weight[part] * (values[part] - mean) ** 2).sum())
        if cost < best:
            best, threshold = cost, float(values[order[cut]])
    return values >= threshold

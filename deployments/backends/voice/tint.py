"""A voice's colour without a neural model: its pitch, range, pace and mean spectrum, put on another voice.

Analysis and synthesis are WORLD's (Morise, Yokomori and Ozawa, IEICE Trans. 2016): DIO and StoneMask for the
pitch, CheapTrick for the spectral envelope, D4C for the breath. The pitch is mapped in the log domain by median
and interquartile range; the spectrum gets the smoothed difference of the two mean envelopes, in dB. Formants are
not moved: a warp fitted to mean spectra hits its bounds and costs intelligibility.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deployments.backends.voice.world import FFT, RATE, STEP, Analysis, analyse, resampled, world
from pipeline.contracts import Samples, Speech, VoiceTint
from pipeline.errors import InvalidAudio

_LONGEST = 30
"""Seconds of a clip that are measured; more changes little."""
_SPREADS = (0.6, 1.8)
"""How far the pitch range may be narrowed or widened."""
_BOOST = 12.0
"""dB, the most that any frequency is raised or lowered."""
_PACES = (0.8, 1.25)
_SMOOTHING = 31
"""Bins (of 15.6 Hz) of the Hann window over the correction."""


def measure(samples: Samples, sample_rate: int) -> VoiceTint:
    """The tint of a clip of one voice. Raises `InvalidAudio` (no_speech) where hardly anything is voiced."""
    sound = resampled(samples[: _LONGEST * sample_rate], sample_rate, RATE)
    analysis = analyse(sound, RATE)
    active = analysis.active
    spoken = active & (analysis.pitch > 0)
    if spoken.sum() * STEP < 0.3:
        raise InvalidAudio(
            "There is no voice in the clip: less than 0.3 s of it has a pitch.",
            code="no_speech",
            accepted="one person speaking",
        )
    logs = np.log(analysis.pitch[spoken])
    logs = logs[np.abs(logs - np.median(logs)) < math.log(1.9)]  # octave errors
    low, middle, high = np.percentile(logs, (25, 50, 75))
    envelope = 10 * np.log10(analysis.envelope[spoken] + 1e-16).mean(axis=0)
    edge = int(0.46 * sample_rate / RATE * FFT)  # a telephone's clip says nothing about what it cuts off
    if edge < len(envelope):
        slope = -3.0 * RATE / FFT / 1000  # 3 dB a kHz, as speech falls
        envelope[edge:] = envelope[edge - 8 : edge].mean() + slope * np.arange(len(envelope) - edge)
    return VoiceTint(
        pitch_hz=float(math.exp(middle)),
        pitch_spread=float(high - low),
        syllables_per_second=_syllables_per_second(analysis),
        envelope_db=(envelope - envelope.mean()).astype(np.float32),
    )


def apply(speech: Speech, tint: VoiceTint, source: VoiceTint) -> Speech:
    """`speech` of the voice measured as `source`, in the colour of `tint`: same length, same phoneme times."""
    vocoder = world()
    rate = speech.sample_rate
    sound = speech.samples.astype(np.float64)
    analysis = analyse(sound, rate)
    pitch, times, envelope = analysis.pitch, analysis.times, analysis.envelope
    # Breath changes slowly and costs most: every second frame is measured.
    breath = vocoder.d4c(sound, np.ascontiguousarray(pitch[::2]), np.ascontiguousarray(times[::2]), rate, fft_size=FFT)
    breath = np.repeat(breath, 2, axis=0)[: len(pitch)]

    voiced = pitch > 0
    spread = np.clip(tint.pitch_spread / max(source.pitch_spread, 1e-3), *_SPREADS)
    moved = np.zeros_like(pitch)
    moved[voiced] = tint.pitch_hz * (pitch[voiced] / source.pitch_hz) ** spread
    moved[voiced] = np.clip(moved[voiced], tint.pitch_hz / 2.5, tint.pitch_hz * 2.5)

    correction = correction_db(tint, source)
    bins = np.arange(envelope.shape[1]) * rate / FFT
    gain = 10 ** (np.interp(bins, np.arange(len(correction)) * RATE / FFT, correction) / 10)
    made = vocoder.synthesize(moved, envelope * gain, breath, rate, STEP * 1000)[: len(sound)]
    made = np.pad(made, (0, len(sound) - len(made)))
    level = math.sqrt(float(np.mean(sound**2)) / max(float(np.mean(made**2)), 1e-12))
    made = made * min(level, 0.98 / max(float(np.abs(made).max()), 1e-9))
    return replace(speech, samples=made.astype(np.float32))


def pace(tint: VoiceTint, source: VoiceTint) -> float:
    """How much faster than `source` the tinted voice should speak, 0.8 to 1.25."""
    if source.syllables_per_second <= 0 or tint.syllables_per_second <= 0:
        return 1.0
    return float(np.clip(tint.syllables_per_second / source.syllables_per_second, *_PACES))


def shifted(tint: VoiceTint, semitones: float) -> VoiceTint:
    """The same voice, higher by so many semitones."""
    return replace(tint, pitch_hz=tint.pitch_hz * 2 ** (semitones / 12))


def correction_db(tint: VoiceTint, source: VoiceTint) -> NDArray[np.float64]:
    """(513,) dB to add to the source's spectrum at 0 to 8 kHz, within ±12."""
    difference = tint.envelope_db.astype(np.float64) - source.envelope_db
    window = np.hanning(_SMOOTHING + 2)[1:-1]
    padded = np.pad(difference, _SMOOTHING // 2, mode="edge")
    return np.clip(np.convolve(padded, window / window.sum(), "valid"), -_BOOST, _BOOST)


def _syllables_per_second(analysis: Analysis) -> float:
    """Voiced peaks of loudness that stand 2 dB above the dips around them (de Jong and Wempe 2009)."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    peaks, _ = find_peaks(gaussian_filter1d(analysis.loudness, 4), prominence=2.0, distance=16)  # 20 ms, 80 ms
    count = int((analysis.active & (analysis.pitch > 0))[peaks].sum())
    return count / max(float(analysis.active.sum()) * STEP, 0.1)

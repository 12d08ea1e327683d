"""The mel is the reference's, and an independent computation's in double precision."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from deployments.backends.lipsync.wav2lip.mel import FRAMES_PER_SECOND, filters, mel
from tests.goldens import golden


def signal() -> np.ndarray:
    """Section 4 of the goldens' README."""
    t = np.arange(40000) / 16000
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(b"input:wav2lip:noise"))).standard_normal(40000)
    x = 0.30 * np.sin(2 * np.pi * (120 * t + 60 * t**2)) + 0.20 * np.sin(2 * np.pi * (400 * t + 500 * t**2))
    x += 0.10 * np.sin(2 * np.pi * (3000 * t - 400 * t**2)) + 0.02 * noise
    x *= np.abs(np.sin(2 * np.pi * 1.7 * t))
    x[16000:19200] = 0
    return x.astype(np.float32)


def by_definition(x: np.ndarray, frame: int) -> np.ndarray:
    """One frame, from the formulas: a sum over sines and cosines, and triangles on Slaney's scale."""
    x = x.astype(np.float64)
    emphasised = np.array([x[0], *(x[1:] - 0.97 * x[:-1])])
    at = np.abs(np.arange(frame * 200 - 400, frame * 200 + 400))
    at = np.where(at >= len(x), 2 * (len(x) - 1) - at, at)
    n = np.arange(800)
    cut = emphasised[at] * (0.5 - 0.5 * np.cos(2 * np.pi * n / 800))
    turn = 2 * np.pi * np.outer(np.arange(401), n) / 800
    size = np.hypot(np.cos(turn) @ cut, np.sin(turn) @ cut)

    def to_mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * np.log(hertz / 1000) / np.log(6.4)

    def to_hertz(value: float) -> float:
        return value * 200 / 3 if value < 15 else 1000 * 6.4 ** ((value - 15) / 27)

    corners = [to_hertz(value) for value in np.linspace(to_mel(55), to_mel(7600), 82)]
    bands = []
    for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
        hertz = np.arange(401) * 20.0
        heights = np.interp(hertz, [low, middle, high], [0, 2 / (high - low), 0], left=0, right=0)
        bands.append(heights @ size)
    decibels = 20 * np.log10(np.maximum(1e-5, bands)) - 20
    return np.clip(8 * (decibels + 100) / 100 - 4, -4, 4)


def test_is_the_references() -> None:
    reference = golden("wav2lip_mel")
    x = signal()
    assert np.array_equal(x[:64], reference["signal_head"])
    made = mel(x)
    assert made.dtype == np.float32
    assert np.abs(made - reference["mel"]).max() < 1e-6
    assert np.allclose(filters().sum(axis=1), reference["mel_filterbank_row_sums"], rtol=1e-6)


@pytest.mark.parametrize("frame", [0, 1, 2, 57, 100, 198, 199, 200])
def test_is_what_the_formulas_say(frame: int) -> None:
    x = signal()
    assert np.abs(mel(x)[:, frame] - by_definition(x, frame)).max() < 1e-6


def test_a_long_sound_has_the_same_frames_as_its_parts() -> None:
    x = np.random.default_rng(1).standard_normal(16000 * 20).astype(np.float32) * 0.1
    whole = mel(x)
    assert whole.shape == (80, 20 * FRAMES_PER_SECOND + 1)
    part = mel(x[200 * 1000 : 200 * 1100])
    assert np.array_equal(whole[:, 1003:1097], part[:, 3:97])


def test_too_little_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        mel(np.zeros(400, np.float32))
    assert np.all(mel(np.zeros(401, np.float32)) == -4)

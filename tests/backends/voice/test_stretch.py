import numpy as np
import pytest

from deployments.backends.voice.stretch import shift, stretch

RATE = 16000
TONES = (0.4 * np.sin(2 * np.pi * 140 * np.arange(RATE) / RATE)).astype(np.float32)


def frequency(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * RATE / len(samples)


@pytest.mark.parametrize("factor", [0.25, 0.6, 0.97, 1.0, 1.3, 2.0, 4.0])
def test_length_changes_and_pitch_does_not(factor):
    made = stretch(TONES, RATE, factor)
    assert made.dtype == np.float32
    assert len(made) == round(len(TONES) * factor)
    assert frequency(made) == pytest.approx(140, abs=4)
    inside = made[len(made) // 10 : -len(made) // 10]
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(np.sqrt(np.mean(TONES**2)), rel=0.1)


@pytest.mark.parametrize("semitones", [-3.0, 2.0])
def test_pitch_changes_and_length_does_not(semitones):
    made = shift(TONES, RATE, semitones)
    assert len(made) == len(TONES)
    assert frequency(made) == pytest.approx(140 * 2 ** (semitones / 12), abs=4)


@pytest.mark.parametrize("count", [0, 1, 2, 100, 961])
def test_short_sounds_have_the_length_too(count):
    for factor in (0.5, 1.0, 1.7):
        assert len(stretch(np.ones(count, np.float32), RATE, factor)) == (round(count * factor) if count else 0)
    assert len(shift(np.ones(count, np.float32), RATE, 1.0)) == count

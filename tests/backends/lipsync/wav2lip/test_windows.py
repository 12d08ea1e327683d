"""Every frame hears its own moment, at any frame rate, for ever."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from deployments.backends.lipsync.wav2lip.windows import starts, windows
from tests.goldens import golden

RATES = [Fraction(24), Fraction(25), Fraction(2997, 100), Fraction(30000, 1001), Fraction(30)]


@pytest.mark.parametrize("frames", [201, 804])
@pytest.mark.parametrize("rate", ["25", "29.97", "30"])
def test_begin_where_the_references_do(frames: int, rate: str) -> None:
    wanted = golden("wav2lip_mel")[f"starts_T{frames}_fps{rate}"]
    assert np.array_equal(starts(len(wanted), Fraction(rate), frames), wanted)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("offset", [Fraction(0), Fraction(-1, 25), Fraction(1, 3)])
def test_begin_at_the_frames_own_time(fps: Fraction, offset: Fraction) -> None:
    wanted = [min(max(floor(80 * (i / fps + offset)), 0), 1000 - 16) for i in range(400)]
    assert starts(400, fps, 1000, offset).tolist() == wanted


@pytest.mark.parametrize("fps", RATES)
def test_do_not_drift_within_three_hours(fps: Fraction) -> None:
    seconds = 3 * 3600
    last = floor(seconds * fps) - 1
    begins = starts(last + 1, fps, seconds * 80)
    assert 0 <= last / fps - Fraction(int(begins[last]), 80) < Fraction(1, 80) or begins[last] == seconds * 80 - 16


def test_hold_the_mel_from_there() -> None:
    mel = np.random.default_rng(2).standard_normal((80, 50)).astype(np.float32)
    made = windows(mel, np.array([0, 5, 34]))
    assert made.shape == (3, 1, 80, 16)
    for cut, first in zip(made, (0, 5, 34), strict=True):
        assert np.array_equal(cut[0], mel[:, first : first + 16])


def test_need_a_whole_window() -> None:
    with pytest.raises(ValueError, match="fewer than a window"):
        starts(1, Fraction(25), 15)

"""What a frame hears: the right moments of the sound at every rate, as the reference puts them together."""

from __future__ import annotations

import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from deployments.backends.lipsync.musetalk.audio_windows import SPAN, steps_in, windows
from deployments.backends.lipsync.musetalk.ear import SEGMENTS
from deployments.backends.lipsync.musetalk.hearing import Hearing, positions
from pipeline.contracts import Speech
from tests.goldens import checks, golden, z

RATES = {"24": 24, "25": 25, "30": 30, "29.97": 29}
"""What the reference makes of a frame rate."""
CLIPS = {"3.3s": (52_800, 1), "33.5s": (536_000, 2)}
REAL = [Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30)]


class Recorded:
    """An ear that has heard it already, in whole segments as the reference does: the goldens' states."""

    layers, width, reach, device = 5, 384, SEGMENTS, torch.device("cpu")

    def __init__(self, states: np.ndarray) -> None:
        self._segments = torch.from_numpy(states)
        self.counts: list[int] = []

    def heard(self, samples: np.ndarray, rate: int, at: int, first: int) -> torch.Tensor:
        assert (rate, at, first) == (16_000, 0, 0)
        self.counts.append(len(samples))
        return self._segments[len(self.counts) - 1]


def reference_lead(fps: int) -> int:
    return 2 * -(-50 // fps)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("rate", RATES)
def test_windows_are_the_references(clip: str, rate: str) -> None:
    """With the reference's own lead, and its rate cut to whole frames. It multiplies a rounded 50 / fps, so a frame
    that begins exactly on a step may get the step before: those, and no others, may differ, by that one step."""
    wanted = golden("musetalk_audio_windows")[f"steps_{clip}_fps{rate}"].astype(np.int64)
    fps = RATES[rate]
    steps = steps_in(CLIPS[clip][0], 16_000)
    found = windows(0, len(wanted), Fraction(fps), steps, reference_lead(fps))
    differs = (found != wanted).any(axis=1)
    rounded_down = np.array([int(i * (50 / fps)) != i * 50 // fps for i in range(len(wanted))])
    assert np.array_equal(differs, rounded_down)
    late = wanted[differs]
    assert ((found[differs] - late == 1) | (late < 0) | (found[differs] < 0)).all()


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("rate", ["25", "30"])
def test_tokens_are_the_references(clip: str, rate: str) -> None:
    """At rates whose lead is the reference's too: every token of every frame, over the border of two segments."""
    count, segments = CLIPS[clip]
    states = z(f"input:musetalk:hidden:{clip}", (segments, 1500, 5, 384))
    fps = RATES[rate]
    ear: Any = Recorded(states)
    speech = Speech(np.zeros(count, np.float32), 16_000, None, "en")
    hearing = Hearing(ear, speech, Fraction(fps), torch.float32)
    listed = golden("musetalk_audio_windows")
    frames = len(listed[f"steps_{clip}_fps{rate}"])
    # Without positions, which are checked on their own, so that the sum over all is exact.
    hearing._positions = torch.zeros(50, 384)
    tokens = np.concatenate([hearing.tokens(i, min(16, frames - i)).numpy() for i in range(0, frames, 16)])
    some = tokens[listed[f"windows_{clip}_fps{rate}_frames"]]
    assert np.array_equal(some[:, ::3, ::16], listed[f"windows_{clip}_fps{rate}"])
    check = checks("musetalk")[f"windows_{clip}_fps{rate}"]
    assert list(tokens.shape) == check["shape"]
    assert zlib.crc32((tokens + np.float32(0)).tobytes()) == check["crc32"]
    assert ear.counts == ([52_800] if segments == 1 else [480_000, 56_000])


def test_segments_behind_the_frames_are_forgotten() -> None:
    ear: Any = Recorded(np.zeros((3, 1500, 5, 384), np.float32))
    speech = Speech(np.zeros(16_000 * 75, np.float32), 16_000, None, "en")
    hearing = Hearing(ear, speech, Fraction(25), torch.float32)
    for first in range(0, 1875, 25):
        hearing.tokens(first, 25)
    assert list(hearing._windows) == [2]
    assert len(ear.counts) == 3, "each once"


@pytest.mark.parametrize("fps", REAL)
def test_frames_do_not_drift(fps: Fraction) -> None:
    """A frame's own moment stands at the fifth place of its window, to the step, after an hour as at the beginning."""
    for first in (0, 1000, 60 * 60 * 29):
        found = windows(first, 40, fps, 10**9)
        exact = np.array([float(Fraction(i) * 50 / fps) for i in range(first, first + 40)])
        begin = found[:, 4]
        assert (begin <= exact + 1e-9).all()
        assert (exact - begin < 1).all()
        assert found.shape == (40, SPAN)
    assert (windows(0, 1, fps, 10**9)[0, :4] == -1).all()
    assert (windows(10**6, 1, fps, 100) == -1).all(), "after the sound there is none"


def test_positions_are_the_references() -> None:
    found, wanted = positions(50, 384).numpy(), golden("musetalk_positional")
    assert np.abs(found[:3] - wanted["pe_rows_0_1_2"]).max() < 1e-5
    assert np.abs(found[49] - wanted["pe_row_49"]).max() < 1e-5
    assert np.abs(found[:, ::24] - wanted["pe_rows_all_col_stride_24"]).max() < 1e-5

"""Which moments of the sound a frame sees: encoder steps by frame, at any frame rate and without drift."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

STEPS_PER_SECOND: Final = 50
"""States that Whisper's encoder gives for a second of sound."""

SPAN: Final = 10
"""Steps that a frame sees: at 25 frames a second 80 ms before it, its own 40 ms, 80 ms after (MuseTalk @ 0a89dec,
audio_processor.py)."""

LEAD: Final = 4
"""Steps before the frame's own. The network was trained with this many. The reference takes two for every step that
a frame is long, rounded up, which is six at 24 frames a second: the lips are then 40 ms late."""


def steps_in(sample_count: int, sample_rate: int) -> int:
    """Encoder steps that so much sound fills: whatever comes after them is silence that was added."""
    return sample_count * STEPS_PER_SECOND // sample_rate


def sample_of(step: int, sample_rate: int) -> int:
    """The sample with which an encoder step begins."""
    return step * sample_rate // STEPS_PER_SECOND


def windows(first: int, count: int, fps: Fraction, steps: int, lead: int = LEAD) -> NDArray[np.int64]:
    """(count, SPAN) the encoder step in each place of frames `first` to `first + count`; -1 where there is no sound.

    Frame i begins at step floor(i * 50 / fps), computed without rounding, so that 30000/1001 frames a second are as
    far after an hour as they should be. `steps` is how many there are.
    """
    frames = np.arange(first, first + count, dtype=np.int64)
    begin = frames * (STEPS_PER_SECOND * fps.denominator) // fps.numerator
    found = begin[:, None] - lead + np.arange(SPAN)
    return np.where((found >= 0) & (found < steps), found, -1)

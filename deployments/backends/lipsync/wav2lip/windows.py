"""Which part of the sound each video frame is made from."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.wav2lip.mel import FRAMES_PER_SECOND

STEPS: Final = 16
"""Mel frames that one face is made from: 200 ms."""


def starts(
    count: int, fps: Fraction, frames: int, offset: Fraction = Fraction(0), first: int = 0, origin: int = 0
) -> NDArray[np.int64]:
    """(count,) first mel frame of the windows of 16 of video frames `first` on, in `frames` mel frames, at least 16, of
    which the first is number `origin` of the video.

    Exact at any rate: frame i begins at i / fps, `offset` seconds are added, and the mel frame that this falls into is
    taken. Windows that would begin before the sound or end after it are moved to its beginning or end.
    """
    if frames < STEPS:
        raise ValueError(f"{frames} mel frames are fewer than a window of {STEPS}")
    each, moved = FRAMES_PER_SECOND / fps, FRAMES_PER_SECOND * offset
    scale = each.denominator * moved.denominator
    step, shift = int(each * scale), int(moved * scale)
    exact = (np.arange(first, first + count, dtype=np.int64) * step + shift) // scale
    return np.clip(exact - origin, 0, frames - STEPS)


def windows(mel: NDArray[np.float32], first: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, 1, 80, 16): the windows of an (80, frames) mel that begin at these frames."""
    view = np.lib.stride_tricks.sliding_window_view(mel, STEPS, axis=1)
    return np.ascontiguousarray(view[:, first].transpose(1, 0, 2)[:, None])

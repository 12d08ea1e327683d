"""What each frame of a stretch of a video hears: the very windows that it hears in the whole video."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.wav2lip.mel import FRAMES_PER_SECOND, HOP, RATE, mel
from deployments.backends.lipsync.wav2lip.windows import STEPS, starts, windows
from pipeline.contracts import Speech, StretchRequest
from pipeline.errors import InvalidRequest
from pipeline.media.resampler import Resampler

AFTER: Final = STEPS * HOP
"""Samples of silence after the sound, so that the last frames have a window of their own and the mouth closes."""


class Hearing:
    """The sound around a stretch, from the first whole second of the video that was heard with it.

    From whole seconds on, at any rates, resampling takes the samples that it takes of the whole sound, and mel frames
    are made in the same places of the same blocks. A filter's length at both ends is other sound than in the whole: at
    the video's own ends it is the same, and elsewhere no frame of the stretch hears it. HEARD_BEFORE and HEARD_AFTER
    leave room for it, for a second of which a part is passed over, and for any offset.
    """

    def __init__(self, request: StretchRequest, offset: Fraction) -> None:
        """`offset` in seconds, from -1 to 1. Raises `InvalidRequest` where the sound can't be used."""
        speech, begin = request.animation.speech, request.sample_at(request.heard_from)
        second = -(-begin // speech.sample_rate)
        self._mel = heard(speech, second * speech.sample_rate - begin)
        self._origin = second * FRAMES_PER_SECOND
        self._fps, self._offset = request.animation.fps, offset

    def windows(self, first: int, count: int) -> NDArray[np.float32]:
        """(count, 1, 80, 16): what frames `first` on hear; of a frame outside the stretch, any sound."""
        frames = self._mel.shape[1]
        return windows(self._mel, starts(count, self._fps, frames, self._offset, first, self._origin))


def heard(speech: Speech, passed: int = 0) -> NDArray[np.float32]:
    """(80, frames) mel of the sound without its first `passed` samples, and of a little silence after it.

    Raises `InvalidRequest` where it is no sound.
    """
    if not np.isfinite(speech.samples).all():
        raise InvalidRequest("The speech holds values that are no numbers.", field="speech", accepted="finite samples")
    resampler = Resampler(speech.sample_rate, RATE)
    parts = [resampler.feed(speech.samples[passed:]), resampler.finish(), np.zeros(AFTER, np.float32)]
    return mel(np.concatenate(parts))

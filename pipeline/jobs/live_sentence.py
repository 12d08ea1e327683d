"""A sentence of a live session while it is spoken: how much of it is known, and whether it may begin."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.contracts import Samples, Speech
from pipeline.media.resampler import Resampler

START_SECONDS: Final = 1.5
"""Of a sentence that is not finished have to be known before it begins: more than is drawn ahead, so that a voice has
time to stumble."""


class LiveSentence:
    """The parts that a voice has made of one sentence, joined, at `rate` whatever rate they were spoken in."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._spoken: Speech | None = None
        self._resampler: Resampler | None = None
        self._samples: Samples = np.zeros(0, np.float32)
        self._parts = 0
        self._first = (0.0, 0.0)
        """Seconds of the first part, and when it was there."""
        self._latest = 0.0

    def add(self, part: Speech, now: float) -> None:
        """The next part, which was there at `now`, seconds of any clock."""
        if not len(part.samples):
            return
        if self._spoken is None or self._resampler is None:
            self._spoken, self._first = part, (part.seconds, now)
            self._resampler = Resampler(part.sample_rate, self._rate)
        else:
            self._spoken = Speech.join([self._spoken, part])
        self._parts, self._latest = self._parts + 1, now
        self._samples = np.concatenate([self._samples, self._resampler.feed(part.samples)])

    def finish(self) -> None:
        """There are no more parts."""
        if self._spoken is not None and self._resampler is not None:
            count = round(len(self._spoken.samples) * self._rate / self._spoken.sample_rate)
            samples = np.concatenate([self._samples, self._resampler.finish()])[:count]
            self._samples = np.pad(samples, (0, count - len(samples)))

    @property
    def speech(self) -> Speech | None:
        """As much as is known; None where that is nothing."""
        if self._spoken is None or not len(self._samples):
            return None
        return replace(self._spoken, samples=self._samples, sample_rate=self._rate)

    @property
    def in_time(self) -> bool:
        """Whether it may begin before it is finished: the voice makes parts of sentences, so much is there, and since
        the first part it has made them no slower than they are heard."""
        if self._spoken is None or self._parts < 2 or self._spoken.seconds < START_SECONDS:
            return False
        seconds, at = self._first
        return self._spoken.seconds - seconds >= self._latest - at

"""Curves over time from what is heard near: the same for a stretch of a video as for all of it, and without seams.

What is made of a whole clip depends on all of it: how loud its loud parts are is known when it has ended. So a long
clip is looked at in windows that overlap, each measured by itself, and goes over from one to the next little by little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Speech, StretchRequest
from pipeline.recent import Recent

HOP: Final = 1.0
"""Seconds from one window to the next; each counts for two of them, most in the middle."""
BEFORE: Final = 2.0
AFTER: Final = 0.5
"""Seconds heard besides. With two hops each way they are what HEARD_BEFORE and HEARD_AFTER promise."""

REMEMBERED: Final = 64
"""Windows that are kept, of some 5 KB each: a stretch needs two or three, and the next one nearly the same."""

Remembered = Recent[NDArray[np.float32]]

Analysis = Callable[[Speech, int], NDArray[np.float32]]
"""(frames, k) curves of a speech that so many frames cover."""


class Windows:
    """The curves that `analyse` makes, frame by frame of the video that `request` is a stretch of.

    A frame's values depend on the sound from BEFORE + HOP seconds before it to HOP + AFTER after it at the least, and
    never on where the stretch begins. `remembered`, of the same analysis, spares what was measured for another stretch.
    """

    def __init__(self, request: StretchRequest, analyse: Analysis, remembered: Remembered | None = None) -> None:
        self._request = request
        self._analyse = analyse
        self._remembered = remembered or Recent(REMEMBERED)
        fps = request.animation.fps
        self._hop = max(1, round(HOP * fps))
        self._before, self._after = round(BEFORE * fps), max(1, round(AFTER * fps))
        self._made: dict[int, tuple[int, NDArray[np.float32]]] = {}

    def rows(self, first: int, count: int) -> NDArray[np.float32]:
        """(count, k) of frames `first` on, in whatever order it is asked for; quickest from first to last."""
        hop, end = self._hop, first + count
        windows = range(first // hop - 1, (end - 1) // hop + 1)
        for gone in [number for number in self._made if number < windows[0]]:
            del self._made[gone]
        total: NDArray[np.float32] | None = None
        for number in windows:
            low, high = max(number * hop, first), min((number + 2) * hop, end)
            begin, values = self._window(number)
            place = np.arange(low, high) + 0.5
            share = (1 - np.abs(place / hop - (number + 1)))[:, None].astype(np.float32)
            if total is None:
                total = np.zeros((count, values.shape[1]), np.float32)
            total[low - first : high - first] += share * values[low - begin : high - begin]
        assert total is not None  # noqa: S101 - there is always a window
        return total

    def _window(self, number: int) -> tuple[int, NDArray[np.float32]]:
        """The frame that a window begins with, and its curves."""
        if number not in self._made:
            request, speech = self._request, self._request.animation.speech
            begin = max(number * self._hop - self._before, 0)
            end = (number + 2) * self._hop + self._after
            origin = request.sample_at(request.heard_from)
            start, stop = request.sample_at(begin) - origin, request.sample_at(end) - origin
            if start < 0:
                raise ValueError(f"frame {begin} has to be heard, and the speech begins with {request.heard_from}")
            heard = _rounded(speech.cut(start, stop))
            self._made[number] = (
                begin,
                self._measured(heard, min(end - begin, heard.frame_count(request.animation.fps))),
            )
        return self._made[number]

    def _measured(self, heard: Speech, count: int) -> NDArray[np.float32]:
        how = repr((heard.phonemes, heard.sample_rate, self._request.animation.fps, count))
        key = Recent.key(heard.samples.tobytes(), how.encode())
        curves = self._remembered.get(key)
        if curves is None:
            curves = self._analyse(heard, count)
            self._remembered.put(key, curves)
        return curves


def _rounded(speech: Speech) -> Speech:
    """With times in whole nanoseconds: what is left of an earlier origin in their last bits goes."""
    if speech.phonemes is None:
        return speech
    phonemes = tuple(replace(p, start=round(p.start, 9), end=round(p.end, 9)) for p in speech.phonemes)
    return replace(speech, phonemes=phonemes)

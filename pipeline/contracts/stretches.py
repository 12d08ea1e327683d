"""Stretches of a talking video: made one without the other, in any order and anywhere, and put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.contracts.flow import AnimationRequest
from pipeline.contracts.speech import sample_at

HEARD_BEFORE: Final = 4.0
"""Seconds of sound before a stretch that a lip-sync backend is given with it, where there are so many."""
HEARD_AFTER: Final = 2.5
"""The same after it."""


@dataclass(frozen=True, slots=True)
class StretchRequest:
    """A stretch of a talking video: some of its frames, made without the others."""

    animation: AnimationRequest
    """As for the whole video, but for `speech`: what is heard around the stretch, at least HEARD_BEFORE and
    HEARD_AFTER seconds and two frames, or as far as the video goes."""
    heard_from: int
    """The frame with which `speech` begins: with sample `sample_at(heard_from)` of the video."""
    first: int
    """The first frame to make."""
    frame_count: int

    def sample_at(self, frame: int) -> int:
        """The sample of the video with which a frame begins."""
        return sample_at(frame, self.animation.speech.sample_rate, self.animation.fps)


@dataclass(frozen=True, slots=True)
class CodedStretch:
    """The frames of a stretch as H.264, one packet each, in the order in which they are decoded: the first without any
    before it."""

    header: bytes
    """Parameter sets (SPS and PPS, Annex B): those of every stretch of a video are the same."""
    packets: tuple[bytes, ...]
    timings: Mapping[str, float]
    """Wall seconds by stage."""
    shown: tuple[int, ...] | None = None
    """Which frame of the stretch each packet is; None where they are decoded in the order in which they are shown."""

"""The mouth over time: what the visemes make and the renderers draw."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

CHANNELS: Final = ("jaw", "upper", "lower", "wide", "pucker", "tuck", "press", "tongue")
"""Columns of a track, in order:

jaw     0..1   the jaw drops; 1 is a wide open "ah"
upper   0..1   the upper lip is raised
lower   0..1   the lower lip is lowered
wide   -1..1   the corners move apart (1, a broad "ee") or together (-1)
pucker  0..1   the lips round and protrude ("oo", "w", "sh")
tuck    0..1   the lower lip goes under the upper teeth ("f", "v")
press   0..1   the lips are closed and pressed together ("m", "b", "p")
tongue  0..1   the tongue tip is up or between the teeth ("th", "l", "n")
"""

OPENING: Final = np.array([0.58, 0.20, 0.24], np.float32)
"""What a full jaw, upper and lower each add to the gap between the lips, in half mouth widths."""


@dataclass(frozen=True, slots=True)
class MouthTrack:
    """`values` is (frames, 8) float32 with the columns of CHANNELS, one row a video frame."""

    values: NDArray[np.float32]
    fps: Fraction

    def __getitem__(self, channel: str) -> NDArray[np.float32]:
        """The (frames,) column of one channel."""
        return self.values[:, CHANNELS.index(channel)]

    def opening(self) -> NDArray[np.float32]:
        """(frames,) the intended gap between the inner lips in half mouth widths: what a viewer should see.

        Renderers draw this gap; the figure that checks lip-sync correlates it with the gap measured on the
        decoded video.
        """
        gap = self.values[:, :3] @ OPENING
        return gap * (1 - np.clip(self["press"], 0, 1)) * (1 - 0.8 * np.clip(self["tuck"], 0, 1))

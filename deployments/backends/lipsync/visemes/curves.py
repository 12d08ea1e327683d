"""The mouth as smooth curves, before there are video frames, and how frames are taken from them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.mouth import CHANNELS, MouthTrack

from .loudness import RATE

LOW: Final = np.array([-1.0 if name == "wide" else 0.0 for name in CHANNELS], np.float32)
"""The least value of each channel; the greatest is 1 for all."""

SMOOTHING: Final = dict(
    zip(CHANNELS, (0.110, 0.090, 0.090, 0.120, 0.120, 0.040, 0.040, 0.070), strict=True),
)
"""Seconds of the Hann window each channel is smoothed by. It bounds the speed: a full swing takes at least half
the window, so a jaw needs 55 ms from shut to wide open (measured jaws: 60 to 100 ms)."""

SEEN: Final = 0.9
"""A closure that a frame shows at least this far is seen; otherwise the frame is taken at its centre."""


@dataclass(frozen=True, slots=True)
class Curves:
    """`values` is (steps, 8) float32 at `loudness.RATE` with the columns of CHANNELS.

    `closures` is (k,) float64: times in seconds of the middles of lip closures and of lower lip to teeth.
    """

    values: NDArray[np.float32]
    closures: NDArray[np.float64]

    def track(self, fps: Fraction, frame_count: int) -> MouthTrack:
        """Frame i, on screen from i/fps to (i+1)/fps, shows the mouth at its middle, (i + 1/2)/fps.

        A closure can be shorter than a frame (40 ms at 25 fps) and would be missed; then the frame it falls
        into shows the moment of the closure instead, at most half a frame away.
        """
        index = np.arange(frame_count, dtype=np.float64)
        period = fps.denominator / fps.numerator
        times = (index + 0.5) * period
        held = at(self.values, times)
        firmness = held[:, _TUCK : _PRESS + 1].max(axis=1)
        owner = np.floor(self.closures / period).astype(np.int64)
        # Farthest from the middle first, so that of two closures in one frame the nearer one stays.
        for k in np.argsort(-np.abs(self.closures - (owner + 0.5) * period), kind="stable"):
            if 0 <= owner[k] < frame_count and firmness[owner[k]] < SEEN:
                times[owner[k]] = self.closures[k]
        return MouthTrack(at(self.values, times), fps)


_TUCK, _PRESS = CHANNELS.index("tuck"), CHANNELS.index("press")


def at(values: NDArray[np.float32], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, channels) linear interpolation of (steps, channels); the ends are held."""
    place = np.clip(times * RATE, 0, len(values) - 1)
    left = np.minimum(place.astype(np.int64), max(len(values) - 2, 0))
    right = np.minimum(left + 1, len(values) - 1)
    share = (place - left)[:, None].astype(np.float32)
    return values[left] * (1 - share) + values[right] * share


def smooth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each channel through its Hann window, without delay, and clipped to its range."""
    result = np.empty_like(values)
    for channel, name in enumerate(CHANNELS):
        half = max(1, round(SMOOTHING[name] * RATE / 2))
        kernel = np.hanning(2 * half + 1)
        kernel /= kernel.sum()
        padded = np.pad(values[:, channel].astype(np.float64), half, mode="edge")
        result[:, channel] = np.convolve(padded, kernel, "valid")
    return np.clip(result, LOW, 1.0)

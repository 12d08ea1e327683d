"""What the network hears: the states of Whisper's encoder around each frame, as 50 tokens with their positions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch

from deployments.backends.lipsync.musetalk.audio_windows import SPAN, sample_of, steps_in, windows
from deployments.backends.lipsync.musetalk.ear import SEGMENT_STEPS, Ear
from pipeline.contracts import Speech


def positions(length: int, width: int) -> torch.Tensor:
    """(length, width) float32 that says where a token stands: sines and cosines in turn, of wavelengths from 2 pi to
    10000 * 2 pi (Vaswani et al. 2017, section 3.5). The checkpoint does not carry it."""
    place = torch.arange(length, dtype=torch.float64)[:, None]
    speed = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000) / width))
    table = torch.empty(length, width, dtype=torch.float64)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * speed), torch.cos(place * speed)
    return table.float()


class Hearing:
    """A video's sound as tokens, or what is heard around a stretch of it, in windows as far as the ear reaches.

    Windows lie on a grid of the whole video: the encoder hears each at the place that it has in its 30 seconds of it,
    counted from the video's beginning, and silence instead of the rest. So states are those that it would give for all
    30 seconds, as the reference has it listen, but for what is far away; from one window to the next their positions go
    on; and none depends on where a stretch begins. A window is heard when a frame first needs it, and forgotten behind
    the frames.

    `speech` begins with sample `begin` of the video's. `dtype` is that of the tokens. Frames are asked for in order.
    """

    def __init__(self, ear: Ear, speech: Speech, fps: Fraction, dtype: torch.dtype, begin: int = 0) -> None:
        self._ear, self._speech, self._fps, self._dtype, self._begin = ear, speech, fps, dtype, begin
        self._steps = steps_in(begin + len(speech.samples), speech.sample_rate)
        self._windows: dict[int, torch.Tensor] = {}
        self._silence = torch.zeros(1, ear.layers, ear.width, device=ear.device)
        self._positions = positions(SPAN * ear.layers, ear.width).to(ear.device)

    def tokens(self, first: int, count: int) -> torch.Tensor:
        """(count, SPAN * layers, width): for each frame its steps in order, each with its states in order, positions
        added. Steps before and after the sound are zeros, as in the reference.

        Raises `ValueError` where sound is needed that comes before what was given.
        """
        wanted, hop = windows(first, count, self._fps, self._steps), self._ear.reach.hop
        there = wanted[wanted >= 0]
        low, high = (int(there.min()) // hop, int(there.max()) // hop) if len(there) else (0, -1)
        for number in [known for known in self._windows if known < low]:
            del self._windows[number]
        table = torch.cat([self._silence, *(self._window(number) for number in range(low, high + 1))])
        # Row 0 is the step that is not there.
        rows = np.where(wanted >= 0, wanted - low * hop + 1, 0)
        found = table[torch.from_numpy(rows).to(table.device, non_blocking=True)].flatten(1, 2)
        return (found + self._positions).to(self._dtype)

    def _window(self, number: int) -> torch.Tensor:
        if number not in self._windows:
            reach, rate = self._ear.reach, self._speech.sample_rate
            first = number * reach.hop
            segment = first // SEGMENT_STEPS * SEGMENT_STEPS
            low = max(first - reach.before, segment)
            high = min(first + reach.hop + reach.after, segment + SEGMENT_STEPS)
            start, stop = sample_of(low, rate) - self._begin, sample_of(high, rate) - self._begin
            if start < 0:
                raise ValueError(
                    f"sample {start + self._begin} has to be heard, and the speech begins with {self._begin}"
                )
            samples = self._speech.samples[start:stop]
            self._windows[number] = self._ear.heard(samples, rate, low - segment, first - segment)
        return self._windows[number]

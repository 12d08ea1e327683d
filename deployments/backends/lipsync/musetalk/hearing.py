"""What the network hears: the states of Whisper's encoder around each frame, as 50 tokens with their positions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
import torch

from deployments.backends.lipsync.musetalk.audio_windows import SPAN, STEPS_PER_SECOND, steps_in, windows
from pipeline.contracts import Samples, Speech
from pipeline.media.audio import resample

RATE: Final = 16_000
"""Hertz that Whisper hears at."""

SEGMENT: Final = 30
"""Seconds that the encoder takes at once; shorter sound is filled up with silence."""

SEGMENT_STEPS: Final = SEGMENT * STEPS_PER_SECOND


def positions(length: int, width: int) -> torch.Tensor:
    """(length, width) float32 that says where a token stands: sines and cosines in turn, of wavelengths from 2 pi to
    10000 * 2 pi (Vaswani et al. 2017, section 3.5). The checkpoint does not carry it."""
    place = torch.arange(length, dtype=torch.float64)[:, None]
    speed = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10_000) / width))
    table = torch.empty(length, width, dtype=torch.float64)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * speed), torch.cos(place * speed)
    return table.float()


class Ear:
    """Whisper's encoder with its features. `encoder` is a `WhisperEncoder` in float32, on the device it runs on."""

    def __init__(self, encoder: Any) -> None:
        from transformers import WhisperFeatureExtractor

        self._encoder = encoder
        self._device = encoder.conv1.weight.device
        self._features = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)
        self.layers: int = encoder.config.encoder_layers + 1
        """States of a step: what goes into the first layer, what comes out of each but the last, and the end."""
        self.width: int = encoder.config.d_model

    def mel(self, samples: Samples) -> torch.Tensor:
        """(1, bands, 3000) log-mel features of up to 30 s at 16 kHz."""
        found = self._features(samples, sampling_rate=RATE, return_tensors="pt")
        return found["input_features"]

    @torch.inference_mode()
    def states(self, mel: torch.Tensor) -> torch.Tensor:
        """(1500, layers, width) float32: every state of every step, on the device."""
        found = self._encoder(mel.to(self._device), output_hidden_states=True).hidden_states
        return torch.stack(found, dim=2)[0]


class Hearing:
    """One clip as tokens. It is heard 30 s at a time, when a frame first needs it, and forgotten behind the frames.

    `dtype` is that of the tokens. Frames are asked for in order.
    """

    def __init__(self, ear: Ear, speech: Speech, fps: Fraction, dtype: torch.dtype) -> None:
        self._ear, self._fps, self._dtype = ear, fps, dtype
        self._samples = resample(speech.samples, speech.sample_rate, RATE)
        self._steps = steps_in(len(self._samples), RATE)
        self._segments: dict[int, torch.Tensor] = {}
        self._positions: torch.Tensor | None = None

    def tokens(self, first: int, count: int) -> torch.Tensor:
        """(count, SPAN * layers, width): for each frame its steps in order, each with its states in order, positions
        added. Steps before and after the sound are zeros, as in the reference."""
        wanted = windows(first, count, self._fps, self._steps)
        there = wanted[wanted >= 0]
        low, high = (int(there.min()) // SEGMENT_STEPS, int(there.max()) // SEGMENT_STEPS) if len(there) else (0, -1)
        for number in [known for known in self._segments if known < low]:
            del self._segments[number]
        table = self._table(range(low, high + 1))
        # Row 0 is the step that is not there.
        rows = np.where(wanted >= 0, wanted - low * SEGMENT_STEPS + 1, 0)
        found = table[torch.from_numpy(rows).to(table.device, non_blocking=True)].flatten(1, 2)
        if self._positions is None:
            self._positions = positions(SPAN * self._ear.layers, self._ear.width).to(found.device)
        return (found + self._positions).to(self._dtype)

    def _table(self, numbers: range) -> torch.Tensor:
        for number in numbers:
            if number not in self._segments:
                samples = self._samples[number * SEGMENT * RATE : (number + 1) * SEGMENT * RATE]
                self._segments[number] = self._ear.states(self._ear.mel(samples))
        shape = (1, self._ear.layers, self._ear.width)
        some = next(iter(self._segments.values()), None)
        nothing = torch.zeros(shape, device=some.device) if some is not None else torch.zeros(shape)
        return torch.cat([nothing, *(self._segments[number] for number in numbers)])

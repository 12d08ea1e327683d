"""Whisper's encoder, and how much of a sound it hears at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from deployments.backends.lipsync.musetalk.audio_windows import STEPS_PER_SECOND
from pipeline.contracts import Samples
from pipeline.media.audio import resample
from pipeline.recent import Recent

RATE: Final = 16_000
"""Hertz that Whisper hears at."""

SEGMENT_STEPS: Final = 30 * STEPS_PER_SECOND
"""That the encoder takes at once; what is not there is silence."""

REMEMBERED: Final = 32 << 20
"""Bytes of states, unless said otherwise: with NEAR some 80 seconds of sound, of which a stretch needs one to three,
and the next one nearly the same."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the encoder hears around `hop` steps whose states are wanted: `before` and `after` them, in steps. All
    else of their 30 seconds is silence to it."""

    hop: int
    before: int
    after: int


SEGMENTS: Final = Reach(hop=SEGMENT_STEPS, before=0, after=0)
"""Thirty seconds and nothing around them: MuseTalk @ 0a89dec."""

NEAR: Final = Reach(hop=STEPS_PER_SECOND, before=2 * STEPS_PER_SECOND, after=STEPS_PER_SECOND // 2)
"""Second by second. A frame depends on what comes up to 1.6 s after its beginning and from 3.1 s before it, within
HEARD_AFTER and HEARD_BEFORE. Longer hops would cost less and look further ahead. Each takes a CPU 0.38 s at the real
size (of which features 0.014, resampling 0.002; several in a batch no less each), a second of video 200 s."""


class Ear:
    """The encoder with its features. `encoder` is a `WhisperEncoder` in float32, on the device it runs on; `remembered`
    bytes of states are kept there."""

    def __init__(self, encoder: Any, reach: Reach = NEAR, remembered: int = REMEMBERED) -> None:
        from transformers import WhisperFeatureExtractor

        self.reach = reach
        self.device: torch.device = encoder.conv1.weight.device
        self.layers: int = encoder.config.encoder_layers + 1
        """States of a step: what goes into the first layer, what comes out of each but the last, and the end."""
        self.width: int = encoder.config.d_model
        self._encoder = encoder
        self._features = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)
        self._remembered: Recent[torch.Tensor] = Recent(remembered)

    def heard(self, samples: Samples, sample_rate: int, at: int, first: int) -> torch.Tensor:
        """(hop, layers, width) float32 on the device: the states of `reach.hop` steps from `first` on, of 30 seconds
        in which `samples` begin with step `at`, and nothing else is heard.

        What was heard before is not heard again. Other sound is never in a batch with it, since sums may go another way
        in a batch of another size, and a stretch has not the seconds that the whole video has.
        """
        key = Recent.key(samples.tobytes(), repr((sample_rate, at, first)).encode())
        states = self._remembered.get(key)
        if states is None:
            states = self.states(self.mel(resample(samples, sample_rate, RATE), at), first, self.reach.hop)
            self._remembered.put(key, states, states.nbytes)
        return states

    def mel(self, samples: Samples, at: int = 0) -> torch.Tensor:
        """(1, bands, 3000) log-mel features of 30 s at 16 kHz, in which `samples` begin with step `at`."""
        whole = np.pad(samples, (at * RATE // STEPS_PER_SECOND, 0))
        found = self._features(whole, sampling_rate=RATE, return_tensors="pt")
        return found["input_features"]

    @torch.inference_mode()
    def states(self, mel: torch.Tensor, first: int = 0, count: int = SEGMENT_STEPS) -> torch.Tensor:
        """(count, layers, width) float32: every state of steps `first` on, on the device."""
        if self.device.type == "cuda":
            mel = mel.pin_memory()  # or the copy would wait for the frames that are under way
        found = self._encoder(mel.to(self.device, non_blocking=True), output_hidden_states=True).hidden_states
        return torch.stack([states[0, first : first + count] for states in found], dim=1)

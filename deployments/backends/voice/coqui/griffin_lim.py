"""Sound of a spectrogram without a second network: Griffin and Lim's algorithm (1984), as coqui-tts has it.

It finds phases that go together, and sounds like it: some of Coqui's models have no vocoder of their own, and Tacotron
makes spectrograms that no vocoder takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from pipeline.contracts import Samples


class GriffinLim:
    """It stands where a `Vocoder` does, for one network."""

    def __init__(self, config: Any) -> None:
        """The network's own configuration."""
        self._linear = config.model.lower() == "tacotron"
        self.sample_rate: int = config.audio.sample_rate

    def sound(self, spectrogram: Tensor, processor: Any, seed: int) -> Samples:
        """From (frames, bands) as the network makes them; `processor` says what they mean. The phases that it begins
        with depend on the seed alone: coqui-tts draws them from the generator that all NumPy shares."""
        plain = spectrogram.float().cpu().numpy().T
        state = np.random.get_state()
        np.random.seed(seed % 2**32)
        try:
            made = processor.inv_spectrogram(plain) if self._linear else processor.inv_melspectrogram(plain)
        finally:
            np.random.set_state(state)
        return np.ascontiguousarray(made, np.float32)

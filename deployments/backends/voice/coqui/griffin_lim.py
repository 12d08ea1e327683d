"""Sound of a spectrogram without a second network: Griffin and Lim's algorithm (1984), as coqui-tts has it.

It finds phases that go together, and sounds like it: some of Coqui's models have no vocoder of their own, and Tacotron
makes spectrograms that no vocoder takes. coqui-tts does it by librosa, which compiles for a quarter of a minute where
it has not done so before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
        with depend on the seed alone, and are those of coqui-tts where NumPy's shared generator has it."""
        plain = processor.denormalize(spectrogram.double().cpu().numpy().T)
        amplitudes = processor.base ** (plain / processor.spec_gain)
        if not self._linear:
            amplitudes = np.maximum(1e-10, np.linalg.pinv(processor.mel_basis) @ amplitudes)
        sound = _with_phases(amplitudes**processor.power, processor, seed)
        if processor.preemphasis:
            sound = processor.apply_inv_preemphasis(sound)
        return np.ascontiguousarray(sound, np.float32)


def _with_phases(amplitudes: NDArray[np.float64], processor: Any, seed: int) -> NDArray[np.float64]:
    """(samples,) whose spectrogram is near (bins, frames) `amplitudes`."""
    size, hop = processor.fft_size, processor.hop_length
    window = torch.hann_window(processor.win_length, dtype=torch.float64)
    wanted = torch.from_numpy(amplitudes)

    def sounding(phases: Tensor) -> Tensor:
        return torch.istft(torch.polar(wanted, phases), size, hop, window.numel(), window)

    def heard(sound: Tensor) -> Tensor:
        padded = torch.from_numpy(np.pad(sound.numpy(), size // 2, mode=processor.stft_pad_mode))
        return torch.stft(padded, size, hop, window.numel(), window, center=False, return_complex=True)

    drawn = np.random.RandomState(seed % 2**32).random_sample(amplitudes.shape)
    sound = sounding(torch.from_numpy(2 * np.pi * drawn))
    for _ in range(processor.griffin_lim_iters):
        sound = sounding(heard(sound).angle())
    return sound.numpy()

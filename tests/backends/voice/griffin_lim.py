"""Griffin and Lim's algorithm, frame by frame in NumPy, as its paper has it ("Signal Estimation from Modified
Short-Time Fourier Transform", 1984): what the backend's, of torch, is held to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sound(spectrogram: NDArray[np.float32], processor: Any, *, linear: bool) -> NDArray[np.float64]:
    """From (frames, bands) by what the `AudioProcessor` of coqui-tts says of them. The phases that it begins with are
    drawn from NumPy's shared generator, as there."""
    from TTS.utils.audio import numpy_transforms as transforms

    decibels = processor.denormalize(spectrogram.T)
    amplitudes = transforms.db_to_amp(x=decibels, gain=processor.spec_gain, base=processor.base)
    if not linear:
        amplitudes = transforms.mel_to_spec(mel=amplitudes, mel_basis=processor.mel_basis)
    wanted = (amplitudes**processor.power).astype(np.float64)
    size, hop = processor.fft_size, processor.hop_length
    edge = (size - processor.win_length) // 2
    window = np.zeros(size)
    turns = np.arange(processor.win_length) / processor.win_length
    window[edge : edge + processor.win_length] = 0.5 - 0.5 * np.cos(2 * np.pi * turns)
    starts = hop * np.arange(wanted.shape[1])

    def nearest(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        """The sound whose spectrum differs least, in the sum of squares (equation 6), without its padding."""
        total, weight = np.zeros((2, starts[-1] + size))
        for start, column in zip(starts, spectrum.T, strict=True):
            total[start : start + size] += window * np.fft.irfft(column)
            weight[start : start + size] += window**2
        return (total / np.maximum(weight, 1e-12))[size // 2 : -(size // 2)]

    def spectrum_of(heard: NDArray[np.float64]) -> NDArray[np.complex128]:
        padded = np.pad(heard, size // 2, mode=processor.stft_pad_mode)
        return np.stack([np.fft.rfft(window * padded[start : start + size]) for start in starts], axis=1)

    found = nearest(wanted * np.exp(2j * np.pi * np.random.rand(*wanted.shape)))
    for _ in range(processor.griffin_lim_iters):
        found = nearest(wanted * np.exp(1j * np.angle(spectrum_of(found))))
    return found

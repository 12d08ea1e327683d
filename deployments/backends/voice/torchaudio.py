"""The part of torchaudio that coqui-tts, f5-tts and vocos compute with, for machines whose torch has no torchaudio.

The same names, arguments, buffers and numbers as torchaudio 2.x: `functional.resample`, `transforms.Resample`,
`transforms.MelSpectrogram` and, inside `functional.functional`, the mel scale. Reading and writing files is left out,
nobody here asks for it. Where torchaudio can be imported, it is used, and this module is not.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

_ZEROS: Final = 6
"""Zero crossings of the sinc to each side."""
_ROLLOFF: Final = 0.99
"""Cut-off, as a part of the lower rate's Nyquist frequency."""

_LOCK: Final = RLock()
_MISSING: Final[dict[str, ModuleType]] = {}


def resample(waveform: Tensor, orig_freq: int, new_freq: int) -> Tensor:
    """(..., n) to (..., ceil(n * new / orig)): a sinc under a Hann window, one filter for each phase.

    Band-limited interpolation (J. O. Smith, "Digital Audio Resampling Home Page") with torchaudio's defaults.
    """
    if orig_freq == new_freq:
        return waveform
    common = math.gcd(int(orig_freq), int(new_freq))
    old, new = int(orig_freq) // common, int(new_freq) // common
    kernels, width = _sinc(old, new, waveform.device, waveform.dtype)
    return _filtered(waveform, kernels, width, old, new)


class Resample(nn.Module):
    """`resample` between two rates that stay the same. The filters are in the buffer `kernel`."""

    kernel: Tensor

    def __init__(self, orig_freq: int = 16000, new_freq: int = 16000) -> None:
        super().__init__()
        common = math.gcd(int(orig_freq), int(new_freq))
        self._old, self._new = int(orig_freq) // common, int(new_freq) // common
        if self._old != self._new:
            kernels, self._width = _sinc(self._old, self._new, torch.device("cpu"), torch.float32)
            self.register_buffer("kernel", kernels)

    def forward(self, waveform: Tensor) -> Tensor:
        if self._old == self._new:
            return waveform
        return _filtered(waveform, self.kernel, self._width, self._old, self._new)


class Spectrogram(nn.Module):
    """|STFT| ** power, centred, the ends reflected. The window is in the buffer `window`."""

    window: Tensor

    def __init__(
        self,
        n_fft: int,
        win_length: int,
        hop_length: int,
        power: float,
        normalized: bool,
        window_fn: Callable[[int], Tensor],
    ) -> None:
        super().__init__()
        self._fft, self._length, self._hop, self._power, self._normalized = (
            n_fft,
            win_length,
            hop_length,
            power,
            normalized,
        )
        self.register_buffer("window", window_fn(win_length))

    def forward(self, waveform: Tensor) -> Tensor:
        flat = waveform.reshape(-1, waveform.shape[-1])
        spectrum = torch.stft(
            flat, self._fft, self._hop, self._length, self.window, center=True, pad_mode="reflect", return_complex=True
        )
        if self._normalized:
            spectrum = spectrum / self.window.square().sum().sqrt()
        return spectrum.abs().pow(self._power).reshape(*waveform.shape[:-1], *spectrum.shape[-2:])


class MelScale(nn.Module):
    """Bins of a spectrogram to mel bands. The triangles are in the buffer `fb`, (bins, bands)."""

    fb: Tensor

    def __init__(
        self,
        n_mels: int,
        sample_rate: int,
        f_min: float,
        f_max: float,
        n_stft: int,
        norm: Literal["slaney"] | None,
        mel_scale: Literal["htk"],
    ) -> None:
        super().__init__()
        if mel_scale != "htk":
            raise ValueError(f"mel_scale is {mel_scale!r}; only htk is accepted")
        self.register_buffer("fb", _triangles(n_stft, f_min, f_max, n_mels, sample_rate, norm))

    def forward(self, spectrogram: Tensor) -> Tensor:
        return torch.matmul(spectrogram.transpose(-1, -2), self.fb).transpose(-1, -2)


class MelSpectrogram(nn.Module):
    """(..., n) sound to (..., n_mels, 1 + n // hop_length) of power in mel bands."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 400,
        win_length: int | None = None,
        hop_length: int | None = None,
        f_min: float = 0.0,
        f_max: float | None = None,
        n_mels: int = 128,
        window_fn: Callable[[int], Tensor] = torch.hann_window,
        power: float = 2.0,
        normalized: bool = False,
        center: bool = True,
        norm: Literal["slaney"] | None = None,
        mel_scale: Literal["htk"] = "htk",
    ) -> None:
        super().__init__()
        if not center:
            raise ValueError("center is False; only True is accepted")
        length = win_length or n_fft
        self.spectrogram = Spectrogram(n_fft, length, hop_length or length // 2, power, normalized, window_fn)
        highest = sample_rate / 2 if f_max is None else f_max
        self.mel_scale = MelScale(n_mels, sample_rate, f_min, highest, n_fft // 2 + 1, norm, mel_scale)

    def forward(self, waveform: Tensor) -> Tensor:
        return self.mel_scale(self.spectrogram(waveform))


def hz_to_mel(frequency: float) -> float:
    """O'Shaughnessy's mel scale, as in HTK."""
    return 2595 * math.log10(1 + frequency / 700)


def mel_to_hz(mels: Tensor) -> Tensor:
    """The way back."""
    return 700 * (10 ** (mels / 2595) - 1)


@contextmanager
def standing_in() -> Generator[None]:
    """Within it, `import torchaudio` and `import torchcodec` succeed: with the real packages where they work, else with
    what is here. Afterwards they are gone again, for transformers and diffusers ask who is there and would use them.
    """
    with _LOCK:
        placed = [name for name in ("torchaudio", "torchcodec") if not _works(name)]
        for name in placed:
            sys.modules.update(_modules(name))
        try:
            yield
        finally:
            for name in placed:
                for module in _modules(name):
                    sys.modules.pop(module, None)


def _works(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError):  # absent, or built for another torch
        return False
    return True


def _modules(name: str) -> dict[str, ModuleType]:
    if name == "torchcodec":
        return {name: _module(name)}
    inner = _module("torchaudio.functional.functional", resample=resample, _hz_to_mel=hz_to_mel, _mel_to_hz=mel_to_hz)
    functional = _module("torchaudio.functional", resample=resample, functional=inner)
    transforms = _module("torchaudio.transforms", Resample=Resample, MelSpectrogram=MelSpectrogram)
    root = _module(name, functional=functional, transforms=transforms)
    return {module.__name__: module for module in (root, functional, inner, transforms)}


def _module(name: str, **attributes: Any) -> ModuleType:
    """One and the same for a name, so that what was imported once stays what it was."""
    if name not in _MISSING:
        module = ModuleType(name, __doc__)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(attributes)
        _MISSING[name] = module
    return _MISSING[name]


def _sinc(old: int, new: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, int]:
    """The filter of each of `new` phases over the input, (new, 1, taps), and how far they reach to each side."""
    cutoff = min(old, new) * _ROLLOFF
    width = math.ceil(_ZEROS * old / cutoff)
    # In float64: the phases are differences of nearly equal numbers.
    taps = torch.arange(-width, width + old, dtype=torch.float64, device=device) / old
    phases = torch.arange(new, dtype=torch.float64, device=device) / new
    times = ((taps[None, :] - phases[:, None]) * cutoff).clamp(-_ZEROS, _ZEROS)
    window = torch.cos(times * math.pi / _ZEROS / 2).square()
    kernels = torch.sinc(times) * window * (cutoff / old)
    return kernels[:, None, :].to(dtype), width


def _filtered(waveform: Tensor, kernels: Tensor, width: int, old: int, new: int) -> Tensor:
    length = waveform.shape[-1]
    flat = waveform.reshape(-1, 1, length)
    padded = nn.functional.pad(flat, (width, width + old))
    made = nn.functional.conv1d(padded, kernels.to(waveform), stride=old)  # (batch, new, steps)
    made = made.transpose(1, 2).reshape(flat.shape[0], -1)[:, : math.ceil(new * length / old)]
    return made.reshape(*waveform.shape[:-1], -1)


def _triangles(bins: int, low: float, high: float, bands: int, rate: int, norm: Literal["slaney"] | None) -> Tensor:
    """(bins, bands): triangles of equal width on the mel scale.

    Their height is 1; with `norm="slaney"`, their area over frequency.
    """
    frequencies = torch.linspace(0, rate // 2, bins, dtype=torch.float64)
    mels = torch.linspace(hz_to_mel(low), hz_to_mel(high), bands + 2, dtype=torch.float64)
    points = mel_to_hz(mels)
    widths = points.diff()
    slopes = points[None, :] - frequencies[:, None]
    rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    if norm == "slaney":
        triangles = triangles * (2 / (points[2:] - points[:-2]))
    return triangles.to(torch.float32)

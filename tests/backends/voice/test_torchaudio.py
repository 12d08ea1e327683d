import importlib.util
import math
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deployments.backends.voice import torchaudio  # noqa: E402

NOISE = np.random.default_rng(7)


def sinc_sum(sound: np.ndarray, old: int, new: int) -> np.ndarray:
    """Band-limited interpolation, each sample by itself: the sum over the input of a windowed sinc around its time."""
    cutoff = 0.99 * min(old, new)
    count = -(-len(sound) * new // old)
    reach = math.ceil(6 * old / cutoff)
    made = np.empty(count)
    for index in range(count):
        centre = index * old // new
        near = np.arange(max(0, centre - reach), min(len(sound), centre + reach + 2))
        distance = np.clip((near / old - index / new) * cutoff, -6, 6)
        window = np.cos(np.pi * distance / 12) ** 2
        made[index] = np.sum(sound[near] * np.sinc(distance) * window) * cutoff / old
    return made


@pytest.mark.parametrize(
    ("old", "new"), [(22050, 16000), (16000, 22050), (44100, 22050), (8000, 24000), (48000, 22050)]
)
def test_resampling_is_the_sum_of_windowed_sincs(old, new):
    sound = NOISE.standard_normal(3001)
    made = torchaudio.resample(torch.from_numpy(sound)[None], old, new)[0].numpy()
    np.testing.assert_allclose(made, sinc_sum(sound, old, new), atol=1e-12)
    single = torchaudio.Resample(old, new)(torch.from_numpy(sound.astype(np.float32)))
    np.testing.assert_allclose(single.numpy(), made, atol=2e-6)


def test_a_tone_keeps_its_pitch_and_its_level():
    times = np.arange(22050) / 22050
    made = torchaudio.resample(torch.from_numpy(np.sin(2 * np.pi * 440 * times)), 22050, 16000).numpy()
    wanted = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(made[100:-100], wanted[100:-100], atol=2e-3)
    assert torchaudio.resample(torch.zeros(2, 3, 441), 44100, 16000).shape == (2, 3, 160)
    same = torch.ones(5)
    assert torchaudio.resample(same, 16000, 16000) is same
    assert torchaudio.Resample(16000, 16000)(same) is same
    assert not torchaudio.Resample(16000, 16000).state_dict()


def mel(sound, rate, fft, length, hop, low, high, bands, window, norm, exponent=2):
    """Frame by frame and band by band, in float64."""
    padded = np.pad(sound, fft // 2, mode="reflect")
    framed = np.zeros(fft)
    frames = []
    for start in range(0, len(sound) + 1, hop):
        framed[:] = 0
        side = (fft - length) // 2
        framed[side : side + length] = padded[start : start + fft][side : side + length] * window(length)
        frames.append(np.abs(np.fft.rfft(framed)) ** exponent)
    power = np.array(frames).T

    def hertz(value):
        return 700 * (10 ** (value / 2595) - 1)

    ends = [2595 * math.log10(1 + frequency / 700) for frequency in (low, high)]
    points = [hertz(value) for value in np.linspace(ends[0], ends[1], bands + 2)]
    bins = np.linspace(0, rate // 2, fft // 2 + 1)
    rows = []
    for left, centre, right in zip(points, points[1:], points[2:], strict=False):
        height = 2 / (right - left) if norm else 1.0
        rows.append(np.interp(bins, [left, centre, right], [0, height, 0], left=0, right=0) @ power)
    return np.array(rows)


@pytest.mark.parametrize(
    ("fft", "length", "hop", "low", "high", "bands", "rate", "window", "norm"),
    [
        (2048, 1024, 256, 0, 8000, 80, 22050, "hann", "slaney"),  # what the language model hears of a clip
        (512, 400, 160, 0, None, 64, 16000, "hamming", None),  # what the speaker encoder hears
    ],
)
def test_mel_spectrograms_are_those_of_float64(fft, length, hop, low, high, bands, rate, window, norm):
    sound = NOISE.standard_normal(5000) * np.sin(np.arange(5000) / 500)
    windows = {"hann": torch.hann_window, "hamming": torch.hamming_window}
    shapes = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}

    def periodic(count):
        mean, swing = shapes[window]
        return mean - swing * np.cos(2 * np.pi * np.arange(count) / count)

    made = torchaudio.MelSpectrogram(
        rate, fft, length, hop, low, high, bands, window_fn=windows[window], power=2, norm=norm
    )
    assert {name: tuple(buffer.shape) for name, buffer in made.state_dict().items()} == {
        "spectrogram.window": (length,),
        "mel_scale.fb": (fft // 2 + 1, bands),
    }
    found = made(torch.from_numpy(sound.astype(np.float32))[None])[0].numpy()
    wanted = mel(sound, rate, fft, length, hop, low, high or rate / 2, bands, periodic, norm)
    assert found.shape == (bands, 1 + len(sound) // hop) == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=1e-5 * wanted.max())


def test_it_stands_in_only_for_what_is_missing_and_only_for_a_while():
    missing = [name for name in ("torchaudio", "torchcodec") if importlib.util.find_spec(name) is None]
    before = set(sys.modules)
    with torchaudio.standing_in():
        for name in ("torchaudio", "torchcodec"):
            assert importlib.util.find_spec(name) is not None
        imported = importlib.import_module("torchaudio")
        ours = imported.functional.resample is torchaudio.resample
        assert ours == ("torchaudio" in missing)
        with torchaudio.standing_in():
            assert importlib.import_module("torchaudio") is imported
    if missing:
        assert all(importlib.util.find_spec(name) is None for name in missing)
        assert not {name for name in set(sys.modules) - before if name.split(".")[0] in missing}

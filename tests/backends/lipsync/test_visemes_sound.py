"""The mouth follows the sound alone: close to the phonemes, deaf to level, rate, offset and noise."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.backends.lipsync.mouth import CHANNELS, MouthTrack
from deployments.backends.lipsync.visemes.curves import LOW
from deployments.backends.lipsync.visemes.features import BANDS, COLUMNS, features, mel
from deployments.backends.lipsync.visemes.loudness import decibels, loudness, steps
from deployments.backends.lipsync.visemes.network import CONTEXT, Network, listen
from deployments.backends.lipsync.visemes.track import mouth_track
from pipeline.contracts import Speech

from .speech import ARTICLE, clip

LANGUAGES = ("en-us", "de", "fr", "es", "it", "ja", "hi")


def track(samples: np.ndarray, sample_rate: int, fps: int = 25) -> MouthTrack:
    speech = Speech(samples.astype(np.float32), sample_rate, None, "en")
    return mouth_track(speech, Fraction(fps), max(1, len(samples) * fps // sample_rate))


def both(speech: Speech) -> tuple[MouthTrack, MouthTrack]:
    """Phoneme-driven and audio-driven."""
    frames = int(speech.seconds * 25)
    return mouth_track(speech, Fraction(25), frames), mouth_track(replace(speech, phonemes=None), Fraction(25), frames)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_opening_follows_the_phonemes(language: str) -> None:
    # The figure to reach is 0.80 on the mean of many clips (benchmarks/visemes.py); one sentence varies.
    wanted, heard = both(clip(ARTICLE[language], language))
    assert correlation(wanted.opening(), heard.opening()) > 0.75
    assert correlation(wanted["wide"], heard["wide"]) > 0.5


def test_lag_is_nil() -> None:
    wanted, heard = (
        np.concatenate(rows) for rows in zip(*((a.opening(), b.opening()) for a, b in _pairs()), strict=True)
    )
    r = {k: correlation(wanted[5:-5], np.roll(heard, k)[5:-5]) for k in range(-4, 5)}
    assert max(r, key=r.__getitem__) == 0


def test_bilabials_close() -> None:
    speech = clip("My big brother Paul bought maps from a mobile pub.")
    _, heard = both(speech)
    frames = [int((p.start + 0.02) * 25) for p in speech.phonemes or () if p.ipa in ("m", "b", "p")]
    assert np.mean(heard.opening()[frames]) < 0.6 * np.mean(heard.opening())


def _pairs() -> list[tuple[MouthTrack, MouthTrack]]:
    return [both(clip(ARTICLE[language], language)) for language in LANGUAGES]


@pytest.mark.parametrize("gain", [0.01, 0.2, 4.0])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_gain_and_offset_change_nothing(gain: float, offset: float) -> None:
    speech = clip(ARTICLE["en-us"], "en-us")
    usual = track(speech.samples, speech.sample_rate).values
    other = track(speech.samples * np.float32(gain) + np.float32(offset), speech.sample_rate).values
    np.testing.assert_allclose(usual, other, atol=2e-3)


@pytest.mark.parametrize("sample_rate", [8000, 11025, 16000, 44100, 48000, 96000])
def test_sample_rate_changes_little(sample_rate: int) -> None:
    speech = clip(ARTICLE["en-us"], "en-us")
    usual = track(speech.samples, speech.sample_rate).opening()
    count = round(len(speech.samples) * sample_rate / speech.sample_rate)
    spectrum = np.fft.rfft(speech.samples)
    bins = np.zeros(count // 2 + 1, complex)
    keep = min(len(bins), len(spectrum))
    bins[:keep] = spectrum[:keep]
    other = track(np.fft.irfft(bins, count) * count / len(speech.samples), sample_rate).opening()
    shared = min(len(usual), len(other))
    assert correlation(usual[:shared], other[:shared]) > (0.95 if sample_rate < 16000 else 0.995)


@pytest.mark.parametrize(("decibels_below", "least"), [(30, 0.80), (10, 0.70)])
def test_a_noise_floor_is_not_speech(decibels_below: float, least: float) -> None:
    speech = clip(ARTICLE["en-us"], "en-us")
    pause = np.zeros(speech.sample_rate)
    samples = np.concatenate([pause, speech.samples, pause])
    level = np.sqrt(np.mean(np.square(speech.samples))) * 10 ** (-decibels_below / 20)
    noisy = samples + np.random.default_rng(1).standard_normal(len(samples)) * level
    opening = track(noisy, speech.sample_rate).opening()
    frames = int(speech.seconds * 25)
    wanted = mouth_track(speech, Fraction(25), frames).opening()
    assert correlation(wanted, opening[25 : 25 + frames]) > least
    assert np.mean(opening[2:22]) < 0.3 * np.mean(opening[25 : 25 + frames])


def test_what_is_no_speech_leaves_the_mouth_nearly_shut() -> None:
    random, time = np.random.default_rng(2), np.arange(48000) / 16000
    hum = sum(np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 3, 5))
    for samples in (np.zeros(48000), np.full(48000, 0.3), random.standard_normal(48000) * 0.05, 0.1 * hum):
        assert track(samples, 16000).opening().mean() < 0.06


def test_silence_between_words_is_rest() -> None:
    speech = clip(ARTICLE["de"], "de")
    pause = np.zeros(speech.sample_rate, np.float32)
    made = track(np.concatenate([speech.samples, pause, speech.samples]), speech.sample_rate)
    start = int(speech.seconds * 25)
    assert made.opening()[start + 6 : start + 20].max() < 0.02
    assert made["press"][start + 6 : start + 20].min() > 0.05


@pytest.mark.parametrize("count", [0, 1, 2, 7, 160, 1000, 7999])
@pytest.mark.parametrize("sample_rate", [100, 8000, 22050, 384_000])
def test_short_clips_work(count: int, sample_rate: int) -> None:
    samples = np.random.default_rng(3).standard_normal(count).astype(np.float32) * 0.1
    made = mouth_track(Speech(samples, sample_rate, None, "en"), Fraction(25), 3)
    assert made.values.shape == (3, len(CHANNELS))
    assert np.all(np.isfinite(made.values))
    assert np.all((made.values >= LOW) & (made.values <= 1))


def test_a_tenth_of_a_second_of_a_vowel_opens_the_mouth() -> None:
    speech = clip("Ah!")
    middle = len(speech.samples) // 4
    made = track(speech.samples[middle : middle + speech.sample_rate // 8], speech.sample_rate)
    assert made.opening().max() > 0.1


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=4000), st.integers(100, 50_000), st.floats(1e-6, 1e6))
def test_any_sound_makes_a_track(data: bytes, sample_rate: int, scale: float) -> None:
    samples = np.frombuffer(data, np.int8).astype(np.float32) / 128 * np.float32(scale)
    made = mouth_track(Speech(samples, sample_rate, None, "en"), Fraction(30), 5)
    assert np.all(np.isfinite(made.values))
    assert np.all((made.values >= LOW) & (made.values <= 1))


def test_blocks_leave_no_trace() -> None:
    random = np.random.default_rng(4)
    samples = random.standard_normal(16000 * 45).astype(np.float32) * 0.1
    samples -= samples.mean()
    whole = mel(samples, 16000)
    # 256 steps make a block; the same sound one second later in the clip falls into blocks differently.
    moved = mel(np.concatenate([np.zeros(16000, np.float32), samples]), 16000)
    np.testing.assert_allclose(whole[5:-5], moved[105:-5], atol=1e-3)
    level = decibels(samples, 16000)
    later = decibels(np.concatenate([np.zeros(16000, np.float32), samples]), 16000)
    np.testing.assert_allclose(level[10:-10], later[110:-10], atol=1e-3)


def test_a_long_clip_takes_little_memory() -> None:
    samples = np.tile(clip(ARTICLE["en-us"], "en-us").samples, 40)
    count = steps(len(samples), 22050)
    listen(samples[:1000], 22050)
    tracemalloc.start()
    listen(samples, 22050)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 20 minutes are 120,000 steps: under 200 MB beside the samples.
    assert peak < 15e6 + 1500 * count


def test_features_have_level_and_channel_taken_out() -> None:
    speech = clip(ARTICLE["en-us"], "en-us")
    columns, loud = features(speech.samples, speech.sample_rate)
    assert columns.shape == (steps(len(speech.samples), speech.sample_rate), COLUMNS)
    tilted = np.convolve(speech.samples, [1, -0.7])[: len(speech.samples)].astype(np.float32)
    other, _ = features(tilted, speech.sample_rate)
    active = loud > 0.5
    assert np.abs(columns[active, :BANDS].mean(axis=0) - other[active, :BANDS].mean(axis=0)).mean() < 0.35
    assert correlation(columns[active, :BANDS].ravel(), other[active, :BANDS].ravel()) > 0.95


def test_loudness_is_relative_and_bounded() -> None:
    time = np.arange(32000) / 16000
    samples = (np.sin(2 * np.pi * 200 * time) * np.where(time < 1, 1.0, 0.01)).astype(np.float32) * 0.3
    level = decibels(samples, 16000)
    assert level[50] == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.1)
    assert level[50] - level[150] == pytest.approx(40, abs=0.3)
    loud = loudness(level)
    assert loud[50] == pytest.approx(1, abs=0.01)
    assert loud[150] == 0
    np.testing.assert_allclose(loud, loudness(level - 20), atol=1e-5)


def test_the_network_in_the_package_fits_its_inputs_and_outputs() -> None:
    network = Network.trained()
    assert network.weights[0].shape[0] == COLUMNS * len(CONTEXT)
    assert network.weights[-1].shape[1] == len(CHANNELS)


def test_the_same_sound_gives_the_same_bytes() -> None:
    speech = clip(ARTICLE["fr"], "fr")
    first, second = (track(speech.samples, speech.sample_rate).values.tobytes() for _ in range(2))
    assert first == second

"""The mouth follows the phonemes: closures, rounding, rest, dynamics, timing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.backends.lipsync.mouth import CHANNELS, MouthTrack
from deployments.backends.lipsync.visemes.coarticulation import articulate, segments
from deployments.backends.lipsync.visemes.curves import LOW, SMOOTHING
from deployments.backends.lipsync.visemes.loudness import RATE
from deployments.backends.lipsync.visemes.track import mouth_track
from pipeline.contracts import Phoneme, Speech

from .speech import ARTICLE, clip

RATES = [Fraction(5), Fraction(24000, 1001), Fraction(25), Fraction(30), Fraction(60)]


def spoken(*sounds: tuple[str, float], sample_rate: int = 16000) -> Speech:
    """A buzz for every sound and nothing for silence, one after the other; (IPA, seconds) each."""
    clock, phonemes, parts = 0.0, [], []
    for ipa, seconds in sounds:
        phonemes.append(Phoneme(clock, clock + seconds, ipa))
        clock += seconds
        time = np.arange(round(seconds * sample_rate)) / sample_rate
        parts.append(0.3 * np.sign(np.sin(2 * np.pi * 120 * time)) * bool(ipa))
    return Speech(np.concatenate(parts).astype(np.float32), sample_rate, tuple(phonemes), "en")


def track(speech: Speech, fps: Fraction = Fraction(25)) -> MouthTrack:
    return mouth_track(
        speech, fps, max(1, -(-len(speech.samples) * fps.numerator // (speech.sample_rate * fps.denominator)))
    )


def curves(*sounds: tuple[str, float]) -> dict[str, np.ndarray]:
    """Every channel at 100 steps a second, fully loud."""
    clock, phonemes = 0.0, []
    for ipa, seconds in sounds:
        phonemes.append(Phoneme(clock, clock + seconds, ipa))
        clock += seconds
    values = articulate(phonemes, np.ones(round(clock * RATE) + 1, np.float32)).values
    return {name: values[:, k] for k, name in enumerate(CHANNELS)}


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(
    ("sound", "channel"), [("m", "press"), ("b", "press"), ("p", "press"), ("f", "tuck"), ("v", "tuck")]
)
@pytest.mark.parametrize("before", [0.150, 0.163, 0.177, 0.190])
def test_the_shortest_closure_is_seen_at_any_frame_rate(fps: Fraction, sound: str, channel: str, before: float) -> None:
    speech = spoken(("ˈɑː", before), (sound, 0.030), ("ˈɑː", 0.2))
    made = track(speech, fps)
    frame = int((before + 0.42 * 0.030 - 0.02) * fps)
    assert made[channel][frame] > 0.85
    limit = 0.06 if channel == "press" else 0.2
    assert made.opening()[frame] < limit


def test_closures_of_real_speech_are_shut() -> None:
    speech = clip("My big brother Paul bought maps from a mobile pub.")
    made = track(speech)
    opening = made.opening()
    frames = [
        int((p.start + 0.42 * (p.end - p.start) - 0.02) * 25) for p in speech.phonemes or () if p.ipa in ("m", "b", "p")
    ]
    assert len(frames) >= 9
    assert np.mean(opening[frames]) < 0.1 * np.mean(opening)
    assert np.max(opening[frames]) < 0.12


def test_open_vowels_open_wider_than_close_ones() -> None:
    heights = [track(spoken(("", 0.3), (f"ˈ{v}ː", 0.3), ("", 0.3))).opening().max() for v in "iɛa"]
    assert heights[0] < 0.7 * heights[1] < 0.7 * heights[2]
    assert 0.5 < heights[2] < 0.8


def test_spread_and_rounded_vowels_part_and_join_the_corners() -> None:
    spread, rounded = (track(spoken(("", 0.3), (v, 0.3), ("", 0.3))) for v in ("ˈiː", "ˈuː"))
    assert spread["wide"].max() > 0.6
    assert spread["pucker"].max() < 0.05
    assert rounded["wide"].min() < -0.7
    assert rounded["pucker"].max() > 0.8


def test_rounding_begins_before_the_rounded_vowel_and_goes_through_consonants() -> None:
    rounded = curves(("ˈiː", 0.2), ("s", 0.08), ("t", 0.06), ("ˈuː", 0.2))["pucker"]
    spread = curves(("ˈiː", 0.2), ("s", 0.08), ("t", 0.06), ("ˈiː", 0.2))["pucker"]
    onset = round(0.34 * RATE)
    assert rounded[onset - 5] > 0.4
    assert rounded[onset - 10] > spread[onset - 10] + 0.1
    # Carried over less than prepared: the mirror image leaves sooner.
    left = curves(("ˈuː", 0.2), ("t", 0.06), ("s", 0.08), ("ˈiː", 0.2))["pucker"]
    assert left[round(0.2 * RATE) + 10] < rounded[onset - 10]


def test_glottal_sounds_take_the_shape_of_their_neighbours() -> None:
    after_i, after_u = (curves((v, 0.2), ("h", 0.08), (v, 0.2)) for v in ("ˈiː", "ˈuː"))
    middle = round(0.24 * RATE)
    assert after_i["wide"][middle] > 0.5
    assert after_u["wide"][middle] < -0.6


def test_stress_opens_the_mouth() -> None:
    plain, stressed = (track(spoken(("", 0.2), (v, 0.2), ("", 0.2)))["jaw"].max() for v in ("ɛ", "ˈɛ"))
    assert stressed > 1.15 * plain


def test_softer_speech_opens_the_mouth_less() -> None:
    loud = spoken(("ˈa", 0.3), ("", 0.3), ("ˈa", 0.3), ("", 0.3))
    samples = loud.samples.copy()
    samples[len(samples) // 2 :] *= 0.1
    opening = track(Speech(samples, loud.sample_rate, loud.phonemes, "en")).opening()
    assert opening[16:23].max() < 0.85 * opening[:8].max()


def test_silence_is_rest_with_the_lips_together() -> None:
    made = track(spoken(("ˈa", 0.3), ("", 1.0), ("ˈa", 0.3)))
    middle = slice(14, 26)
    assert made.opening()[middle].max() < 0.005
    assert np.abs(made["wide"][middle]).max() < 0.05
    assert np.all((made["press"][middle] > 0.05) & (made["press"][middle] < 0.3))


def test_a_breath_between_two_words_does_not_shut_the_mouth() -> None:
    made = track(spoken(("ˈa", 0.3), ("", 0.04), ("ˈa", 0.3)))
    assert made.opening()[7:9].min() > 0.2


@pytest.mark.parametrize("language", ["en-us", "de", "fr", "es", "it", "ja", "hi"])
def test_movement_is_smooth_and_in_range(language: str) -> None:
    speech = clip(ARTICLE[language], language)
    steps = len(speech.samples) * RATE // speech.sample_rate + 1
    values = articulate(speech.phonemes or (), np.ones(steps, np.float32)).values
    assert np.all(values >= LOW)
    assert np.all(values <= 1)
    for k, name in enumerate(CHANNELS):
        span = 2.0 if name == "wide" else 1.0
        # A Hann window of width w limits the slope of any input of range r to 2 r / w.
        assert np.abs(np.diff(values[:, k])).max() <= 2 * span / SMOOTHING[name] / RATE * 1.01, name
    # No jitter: direction changes of the jaw are those of syllables, at most a few per phoneme.
    jaw = np.diff(values[:, 0])
    turns = np.count_nonzero(np.diff(np.sign(jaw[np.abs(jaw) > 1e-4])))
    assert turns < 1.5 * len(speech.phonemes or ())


def test_frame_rates_sample_the_same_movement() -> None:
    speech = clip(ARTICLE["en-us"], "en-us")
    slow, fast = track(speech, Fraction(25)), track(speech, Fraction(50))
    pairs = fast.opening()[: 2 * len(slow.opening()) - 1]
    both = (pairs[:-1:2] + pairs[1::2]) / 2
    assert np.corrcoef(slow.opening()[: len(both)], both)[0, 1] > 0.97


def test_the_mouth_leads_the_sound_by_half_a_frame_at_most() -> None:
    speech = spoken(*[("ˈa", 0.2), ("", 0.25)] * 8)
    opening = track(speech, Fraction(100)).opening()
    heard = np.repeat(([1.0] * 20 + [0.0] * 25) * 8, 1)
    r = {k: np.corrcoef(np.roll(opening, k)[30:-30], heard[30:-30])[0, 1] for k in range(-10, 11)}
    assert 0 <= max(r, key=r.__getitem__) <= 3


@pytest.mark.parametrize("sample_rate", [8000, 22050, 48000])
def test_gain_and_offset_change_nothing(sample_rate: int) -> None:
    speech = spoken(("ˈa", 0.2), ("m", 0.1), ("ˈiː", 0.2), ("", 0.2), sample_rate=sample_rate)
    usual = track(speech).values
    other = track(
        Speech(speech.samples * np.float32(0.01) + np.float32(0.2), sample_rate, speech.phonemes, "en")
    ).values
    np.testing.assert_allclose(usual, other, atol=0.02)


def test_gaps_are_silence_and_marks_belong_to_the_sound_before() -> None:
    phonemes = [Phoneme(0.1, 0.2, "a"), Phoneme(0.2, 0.25, "(en)"), Phoneme(0.4, 0.4, "m"), Phoneme(0.4, 0.5, "tʃ")]
    parts = segments(phonemes, 0.7)
    assert [(round(p.start, 3), round(p.end, 3), p.shape.kind) for p in parts] == [
        (0.0, 0.1, "silence"),
        (0.1, 0.25, "vowel"),
        (0.25, 0.4, "silence"),
        (0.4, 0.45, "consonant"),
        (0.45, 0.5, "consonant"),
        (0.5, 0.7, "silence"),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=4), st.floats(-1, 2), st.floats(-1, 2)), max_size=12),
    st.integers(0, 3000),
    st.integers(1, 200_000),
    st.sampled_from(RATES),
    st.integers(1, 40),
)
def test_any_phonemes_make_a_track(marks, count, sample_rate, fps, frames) -> None:
    phonemes = tuple(Phoneme(start, end, ipa) for ipa, start, end in marks)
    made = mouth_track(Speech(np.zeros(count, np.float32), sample_rate, phonemes, "en"), fps, frames)
    assert made.values.shape == (frames, len(CHANNELS))
    assert made.values.dtype == np.float32
    assert np.all(np.isfinite(made.values))
    assert np.all((made.values >= LOW) & (made.values <= 1))


def test_the_same_speech_gives_the_same_bytes() -> None:
    speech = clip(ARTICLE["de"], "de")
    assert track(speech).values.tobytes() == track(speech).values.tobytes()

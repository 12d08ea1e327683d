"""Words of a known text are where they were said, whoever said them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.alignment import errors, lips, paused, spoken, spoken_by_flite
from benchmarks.viseme_corpus import HELD_OUT
from benchmarks.visemes import noisy
from deployments.backends.transcribe.align import LONGEST, Align
from pipeline.contracts import Samples, Speech, TranscriptionRequest
from pipeline.errors import InvalidRequest, InvalidText, MouthpieceError, TooLarge, UnknownName

TEXT, OTHER = HELD_OUT["en-us"][0], HELD_OUT["en-us"][4]


def asked(samples: Samples, rate: int, text: str | None = TEXT, language: str | None = "en-us") -> TranscriptionRequest:
    return TranscriptionRequest(samples, rate, text, language)


def off(clip: Speech, text: str = TEXT, language: str = "en-us") -> tuple[float, float, float]:
    """Milliseconds: median error of a boundary, 90th percentile; and the confidence."""
    found = Align().transcribe(asked(clip.samples, clip.sample_rate, text, language))
    assert [word.text for word in found.words] == [word.text for word in clip.words or ()]
    both = np.concatenate(errors(clip, found.words))
    return float(np.median(both)), float(np.percentile(both, 90)), found.confidence


@pytest.mark.parametrize(
    ("voice", "how"),
    [
        ("f5", {}),
        ("klatt4", {"pitch": -4}),
        ("m7", {"speed": 0.6}),
        ("Annie", {"speed": 1.8, "pitch": 3}),
    ],
)
def test_other_timbres_paces_and_pitches(voice: str, how: dict[str, float]) -> None:
    median, ninth, sure = off(spoken(TEXT, "en-us", voice, **how))
    assert (median < 20, ninth < 50, sure > 0.7) == (True, True, True), (median, ninth, sure)


@pytest.mark.parametrize("language", ["de", "ja"])
def test_other_languages(language: str) -> None:
    text = HELD_OUT[language][0]
    median, _, sure = off(spoken(text, language, "f5"), text, language)
    assert (median < 20, sure > 0.5) == (True, True), (median, sure)


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
@pytest.mark.parametrize(("voice", "bound"), [("rms", 40), ("awb", 40), ("slt", 50)])
def test_a_voice_made_by_other_means(voice: str, bound: float) -> None:
    """flite joins recordings of people, of whom espeak-ng has nothing."""
    clip = spoken_by_flite(TEXT, voice)
    assert clip is not None
    median, ninth, sure = off(clip)
    assert (median < bound, ninth < 160, sure > 0.15) == (True, True, True), (median, ninth, sure)
    worse, _, _ = off(noisy(clip, 10))
    assert worse < 2 * bound


def test_pauses_and_what_is_not_in_the_text() -> None:
    clip = spoken(TEXT, "en-us", "f5")
    median, _, _ = off(paused(clip, 0.9, 3))
    assert median < 25
    before, after = (spoken(text, "en-us", "f5").samples for text in (OTHER, HELD_OUT["en-us"][2]))
    shift = len(before) / clip.sample_rate
    words = tuple(replace(word, start=word.start + shift, end=word.end + shift) for word in clip.words or ())
    median, ninth, _ = off(replace(clip, samples=np.concatenate([before, clip.samples, after]), words=words))
    assert (median < 25, ninth < 150) == (True, True), (median, ninth)


def test_words_and_phonemes_are_in_order_and_cover_the_recording() -> None:
    clip = spoken(TEXT, "en-us", "m7")
    found = Align().transcribe(asked(clip.samples, clip.sample_rate))
    assert all(0 <= one.start < one.end <= other.start + 1e-9 for one, other in pairwise(found.words))
    assert all(0 <= word.confidence <= 1 for word in found.words)
    phonemes = found.phonemes
    assert phonemes
    assert (phonemes[0].start, phonemes[-1].end) == (0, clip.seconds)
    assert all(one.end == other.start for one, other in pairwise(phonemes))
    own = [phoneme.ipa for phoneme in clip.phonemes or () if phoneme.ipa]
    assert [phoneme.ipa for phoneme in phonemes if phoneme.ipa] == own
    assert Align().transcribe(asked(clip.samples, clip.sample_rate)) == found


def test_loudness_and_sample_rate_change_little() -> None:
    clip = spoken(TEXT, "en-us", "f5")
    found = Align().transcribe(asked(clip.samples, clip.sample_rate)).words
    soft = Align().transcribe(asked(0.05 * clip.samples + np.float32(0.02), clip.sample_rate)).words
    assert max(abs(one.start - other.start) for one, other in zip(found, soft, strict=True)) <= 0.02
    telephone = clip.samples[: len(clip.samples) // 2 * 2].reshape(-1, 2).mean(axis=1)
    narrow = Align().transcribe(asked(telephone, clip.sample_rate // 2)).words
    assert np.median([abs(one.start - other.start) for one, other in zip(found, narrow, strict=True)]) <= 0.02


def test_another_text_is_not_believed() -> None:
    clip = spoken(TEXT, "en-us", "f5")
    right, wrong = (Align().transcribe(asked(clip.samples, clip.sample_rate, text)) for text in (TEXT, OTHER))
    assert right.confidence > 0.7
    assert wrong.confidence < 0.25
    noise = np.random.default_rng(0).normal(0, 0.1, 66_150).astype(np.float32)
    assert Align().transcribe(asked(noise, 22_050)).confidence < 0.15


@pytest.mark.parametrize(
    ("request_", "kind", "code"),
    [
        (asked(np.ones(22_050, np.float32), 22_050, None), InvalidRequest, "text_needed"),
        (asked(np.ones(2_205, np.float32), 22_050, " ".join([TEXT] * 3)), InvalidText, "text_mismatch"),
        (asked(np.ones(22_050, np.float32), 22_050, "!?", "en"), InvalidText, "nothing_to_say"),
        (asked(np.ones(22_050, np.float32), 22_050, TEXT, "tlh"), UnknownName, "unknown_name"),
        (asked(np.zeros(int(LONGEST * 100) + 100, np.float32), 100), TooLarge, "audio_too_long"),
    ],
)
def test_what_can_not_be_done_is_said(request_: TranscriptionRequest, kind: type[MouthpieceError], code: str) -> None:
    with pytest.raises(kind) as refused:
        Align().transcribe(request_)
    assert refused.value.code == code


def test_the_lips_follow_the_text_better_than_the_sound() -> None:
    """Speech of ours, passed off as a recording."""
    clip = spoken(TEXT, "en-us", "f5")
    followed = lips(clip, Align().transcribe(asked(clip.samples, clip.sample_rate)))
    assert followed is not None
    by_sound, by_text = followed
    assert by_text > 0.97 > by_sound
    if shutil.which("flite") is not None:
        clip = spoken_by_flite(TEXT, "awb") or clip
        by_sound, by_text = lips(clip, Align().transcribe(asked(clip.samples, clip.sample_rate))) or (1.0, 0.0)
        assert by_text > by_sound + 0.05


def test_one_word_and_figures() -> None:
    for text in ("Hello!", "In 1984 it cost $3.50, of the 42 in all."):
        clip = spoken(text, "en-us", "f5")
        median, _, sure = off(clip, text)
        assert (median < 30, sure > 0.3) == (True, True), (text, median, sure)

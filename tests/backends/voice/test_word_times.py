"""When the words of a piece are said, from a synthesiser's own marks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from deployments.backends.voice.espeak import Espeak
from deployments.backends.voice.word_times import word_times
from pipeline.contracts import Phoneme, Speech, SpeechRequest
from pipeline.text import joined, words

SOUNDS = tuple(Phoneme(number / 10, (number + 1) / 10, ipa) for number, ipa in enumerate(["", *"abcd", "", *"ef"]))


def test_words_begin_where_their_marks_are_and_end_with_their_sounds() -> None:
    found = word_times("ab cd, ef", [(0.1, 0), (0.3, 3), (0.6, 7)], SOUNDS)
    assert [(word.text, word.start, word.end) for word in found] == [
        ("ab", 0.1, pytest.approx(0.3)),
        ("cd,", pytest.approx(0.3), 0.5),
        ("ef", 0.6, 0.8),
    ]


def test_words_with_one_mark_share_its_sounds_and_figures_have_many() -> None:
    found = word_times("ab cd, 42", [(0.1, 0), (0.6, 7), (0.7, 8)], SOUNDS)
    assert [(word.text, round(word.start, 6), round(word.end, 6)) for word in found] == [
        ("ab", 0.1, 0.3),
        ("cd,", 0.3, 0.5),
        ("42", 0.6, 0.8),
    ]


@pytest.mark.parametrize(
    ("text", "language", "speed"),
    [
        ("Hello, of the 42 things (well) it's $3.50: to be or not to be! Good 😀 morning.", "en", 1.0),
        ("Hello, of the 42 things (well) it's $3.50: to be or not to be! Good 😀 morning.", "en", 2.5),
        ("今天天气很好,我们一起去公园玩吧。他买了书。", "zh", 1.0),
        ("« Bonjour », dit-il : ça va ?", "fr", 0.5),
    ],
)
def test_espeak_times_every_word(text: str, language: str, speed: float) -> None:
    speech = Speech.join(Espeak().speak(SpeechRequest(text, language, speed=speed)))
    found = speech.words
    assert found
    assert joined(word.text for word in found) == text
    assert len(found) == len(words(text))
    assert all(one.start < one.end <= other.start + 1e-9 for one, other in pairwise(found))
    sounds = [phoneme for phoneme in speech.phonemes or () if phoneme.ipa]
    assert (found[0].start, found[-1].end) == (sounds[0].start, pytest.approx(sounds[-1].end))

"""Every sound that espeak-ng can emit has a shape, and so has any other string."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.backends.lipsync.mouth import CHANNELS
from deployments.backends.lipsync.visemes.ipa import LETTERS, known, nearest, sound
from deployments.backends.lipsync.visemes.shape import SHAPES, SILENCE

from .speech import ARTICLE, phonemes_of


@pytest.mark.parametrize("language", sorted(ARTICLE))
def test_the_table_covers_what_espeak_says_in(language: str) -> None:
    spoken = phonemes_of(ARTICLE[language], language)
    sounds = {phoneme.ipa for phoneme in spoken if phoneme.ipa and not phoneme.ipa.startswith("(")}
    assert len(sounds) >= 12
    assert {ipa for ipa in sounds if not known(ipa)} == set()
    # Marks without a letter (a tone, a stray stress) are few; the rest has a shape.
    assert sum(not sound(ipa).shapes for ipa in sounds) <= 3


def test_enough_languages_are_tried() -> None:
    assert len(ARTICLE) >= 25


@given(st.text(max_size=8))
@example("\ud800")
@example("ʰ")
@example("̃")
@example("(en")
def test_any_string_is_a_sound(ipa: str) -> None:
    heard = sound(ipa)
    assert len(heard.shapes) == len(heard.shares)
    assert not heard.shapes or sum(heard.shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ipa", "names"),
    [
        ("", ["silence"]),
        ("ˈaɪ", ["a", "ɪ"]),
        ("tʃʰ", ["alveolar", "postalveolar"]),
        ("t͡s", ["alveolar", "sibilant"]),
        ("ˌl̩", ["lateral"]),
        ("ɔ̃", ["ɔ"]),
        ("ɐ̃", ["ɐ"]),
        ("kʼ", ["velar"]),
        ("ǃ", ["alveolar"]),
        ("ʘ", ["bilabial"]),
        ("ɓ", ["bilabial"]),
        ("a˥˩", ["a"]),
        ("i.5", ["i"]),
        ("tS", ["alveolar", "postalveolar"]),
        ("(en)", []),
        ("ˈ", []),
        ("ᵑ", ["velar"]),
    ],
)
def test_phonemes_are_read_as(ipa: str, names: list[str]) -> None:
    assert [shape for shape in sound(ipa).shapes] == [SHAPES[name] for name in names]


def test_stress_and_length() -> None:
    assert [sound(ipa).stress for ipa in ("a", "ˌa", "ˈa")] == [0, 1, 2]
    assert sound("ˈɑː").long
    assert not sound("ˈɑ").long


def test_labialised_consonants_round_the_lips() -> None:
    assert sound("kʷ").shapes[0].pucker > sound("k").shapes[0].pucker + 0.3


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("Ƭ", "alveolar"),
        ("ᴍ", "bilabial"),
        ("Ꞵ", "ə"),
        ("ẽ", "e"),
        ("ʱ", "glottal"),
        ("Ʒ", "postalveolar"),
        ("中", "ə"),
    ],
)
def test_an_unknown_letter_is_its_nearest_relative(letter: str, name: str) -> None:
    assert nearest(letter) == name


def test_every_base_letter_of_the_ipa_block_is_in_the_table() -> None:
    block = [chr(code) for code in range(0x250, 0x2B0) if unicodedata.category(chr(code))[0] == "L"]
    symbols = {"ʅ", "ʞ", "ʬ", "ʭ", "ʩ", "ʪ", "ʫ", "ʮ", "ʯ", "ɿ"}  # not sounds of a language, or disordered speech
    assert [letter for letter in block if letter not in LETTERS and letter not in symbols] == []


def test_shapes_stay_in_their_ranges() -> None:
    for name, shape in SHAPES.items():
        for channel in CHANNELS:
            assert (-1 if channel == "wide" else 0) <= getattr(shape, channel) <= 1, (name, channel)
    assert SILENCE.jaw == 0


def test_vowels_follow_the_chart() -> None:
    assert SHAPES["i"].jaw < SHAPES["e"].jaw < SHAPES["ɛ"].jaw < SHAPES["æ"].jaw < SHAPES["a"].jaw
    assert SHAPES["u"].pucker > SHAPES["o"].pucker > SHAPES["ɔ"].pucker > SHAPES["ɒ"].pucker > 0
    assert SHAPES["i"].wide > SHAPES["ɛ"].wide > SHAPES["ɑ"].wide >= 0 > SHAPES["u"].wide
    assert SHAPES["y"].pucker > 0.8
    assert SHAPES["i"].pucker == 0

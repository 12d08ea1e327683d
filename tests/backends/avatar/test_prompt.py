"""What the prompt parser understands, word by word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.backends.avatar.portrait import casting, clothes, hair, palette, vocabulary
from deployments.backends.avatar.portrait.backdrop import SCENES
from deployments.backends.avatar.portrait.beard import BEARDS
from deployments.backends.avatar.portrait.casting import cast
from deployments.backends.avatar.portrait.prompt import understood


@pytest.mark.parametrize(
    ("prompt", "traits"),
    [
        ("", {}),
        ("a wizard rides a dragon", {}),
        ("smiling woman", {"expression": "smile", "gender": "woman"}),
        (
            "red hair, blue shirt, green background",
            {
                "hair colour": "red",
                "clothes": "shirt",
                "clothes colour": "blue",
                "background": "studio",
                "background colour": "green",
            },
        ),
        ("blue-eyed redhead", {"eyes": "blue", "hair colour": "red"}),
        ("hair: black, eyes: green", {"hair colour": "black", "eyes": "green"}),
        ("long, curly grey hair", {"hair length": "long", "hair texture": "curly", "hair colour": "grey"}),
        ("green eyes and a blonde ponytail", {"eyes": "green", "hair colour": "blonde", "hair style": "ponytail"}),
        ("dark brown hair and dark skin", {"hair colour": "dark brown", "skin": "dark"}),
        (
            "a black man in a white shirt",
            {"skin": "dark", "gender": "man", "clothes": "shirt", "clothes colour": "white"},
        ),
        ("a woman in red", {"gender": "woman", "clothes colour": "red"}),
        ("man on a navy background", {"gender": "man", "background": "studio", "background colour": "navy"}),
        ("45-year-old man", {"age": "45", "gender": "man"}),
        ("an old woman", {"age": "old", "gender": "woman"}),
        ("red tie", {"clothes": "suit", "tie colour": "red"}),
        ("square glasses", {"glasses": "square"}),
        ("trimmed beard", {"beard": "short"}),
        ("warm light, nature bokeh", {"lighting": "warm", "background": "nature"}),
    ],
)
def test_says(prompt: str, traits: dict[str, str]) -> None:
    assert understood(prompt) == traits


@pytest.mark.parametrize(
    ("prompt", "trait", "value"),
    [
        ("no glasses", "glasses", "none"),
        ("without beard or glasses", "glasses", "none"),
        ("without beard or glasses", "beard", "none"),
        ("clean-shaven", "beard", "none"),
        ("not smiling", "expression", "serious"),
        ("no hair", "hair style", "bald"),
        ("no freckles", "freckles", "no"),
        ("suit without a tie", "tie colour", "none"),
        ("no earrings", "earrings", "none"),
    ],
)
def test_negation(prompt: str, trait: str, value: str) -> None:
    assert understood(prompt)[trait] == value


def test_negation_ends_at_the_comma() -> None:
    assert understood("no glasses, beard") == {"glasses": "none", "beard": "full"}


def test_colours_stay_with_their_nouns() -> None:
    said = understood("a woman with green eyes wearing a purple hoodie and silver earrings, yellow background")
    assert said["eyes"] == "green"
    assert said["clothes colour"] == "purple"
    assert said["background colour"] == "yellow"
    assert said["earrings"] == "studs"


@given(st.text(max_size=300), st.integers(0, 2**63 - 1))
def test_any_text_casts_somebody_who_can_be_painted(prompt: str, seed: int) -> None:
    _paintable(prompt, seed)


_WORDS = sorted(
    {*vocabulary.DIRECT, *vocabulary.NOUNS, *vocabulary.ADJECTIVES, *vocabulary.NEGATIONS, ",", "and", "with"}
)


@given(st.lists(st.sampled_from(_WORDS), max_size=14), st.integers(0, 10_000))
def test_any_known_words_cast_somebody_who_can_be_painted(words: list[str], seed: int) -> None:
    _paintable(" ".join(words), seed)


def _paintable(prompt: str, seed: int) -> None:
    """Every trait is a key of the table that its painter looks it up in."""
    traits = cast(prompt, seed)
    assert traits.skin in palette.SKINS
    assert traits.eyes in palette.EYES
    assert traits.hair in hair.STYLES
    assert traits.hair_colour in palette.HAIRS
    assert traits.beard in {"none", *BEARDS}
    assert traits.clothes in clothes.GARMENTS
    assert traits.background in SCENES
    assert traits.lighting in palette.LIGHTS
    assert traits.heritage in casting.HERITAGES
    assert {traits.clothes_colour, traits.background_colour, traits.headwear_colour} <= palette.CLOTHS.keys()
    assert {traits.tie_colour, traits.lipstick} <= {"none", *palette.CLOTHS}
    assert 0 <= traits.femininity <= 1
    assert 0 <= traits.age <= 1
    assert 0 <= traits.smile <= 1


def test_every_word_of_the_tables_is_understood() -> None:
    unknown = [phrase for phrase in vocabulary.DIRECT if not understood(phrase)]
    assert unknown == []


def test_the_same_seed_is_the_same_person_in_other_clothes() -> None:
    plain, dressed = cast("", 7), cast("navy suit, office", 7)
    assert (plain.skin, plain.eyes, plain.hair, plain.age) == (dressed.skin, dressed.eyes, dressed.hair, dressed.age)
    assert dressed.clothes == "suit"


def test_seeds_are_diverse() -> None:
    people = [cast("", seed) for seed in range(60)]
    assert {"porcelain", "fair", "light", "olive", "tan", "brown", "dark", "deep"} == {p.skin for p in people}
    assert 20 <= sum(p.femininity > 0.5 for p in people) <= 40
    assert len({p.hair for p in people}) >= 9
    assert len({p.hair_colour for p in people}) >= 6


def test_what_is_asked_for_is_cast() -> None:
    traits = cast("elderly man, bald, brown eyes, white moustache, round glasses, green sweater, library", 3)
    assert traits.femininity < 0.3
    assert traits.age > 0.8
    assert (traits.hair, traits.eyes, traits.beard, traits.glasses) == ("bald", "brown", "moustache", "round")
    assert (traits.clothes, traits.clothes_colour, traits.background) == ("sweater", "green", "library")

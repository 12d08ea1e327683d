"""Hardware profiles by the memory of the card (row A2)."""

import pytest

from pipeline import profiles
from pipeline.cascade import resolve
from pipeline.settings import Settings


@pytest.mark.parametrize(
    ("gigabytes", "profile"),
    [
        (None, "cpu"),
        (2.0, "small"),
        (7.0, "small"),
        (7.43, "standard"),  # a Tesla P4, sold as 8 GB, with ECC
        (8.0, "standard"),
        (10.0, "standard"),
        (19.0, "standard"),
        (19.99, "high"),  # an RTX A4500, sold as 20 GB
        (20.0, "high"),
        (139.0, "high"),
    ],
)
def test_chosen_by_the_cards_nominal_size(gigabytes, profile):
    assert profiles.choose(gigabytes) == profile


@pytest.mark.parametrize(
    ("profile", "batch", "steps"), [("high", 4, 50), ("standard", 2, 40), ("small", 1, 25), ("cpu", 1, 25)]
)
def test_batch_and_steps(profile, batch, steps):
    generation = resolve({"profile": profile}, {}).generation
    assert (generation.batch, generation.steps) == (batch, steps)


def test_small_is_smaller():
    assert resolve({}, {}, vram_gigabytes=6).video.size < resolve({}, {}, vram_gigabytes=10).video.size
    assert resolve({}, {}, vram_gigabytes=6).generation.image_size < resolve({}, {}).generation.image_size


@pytest.mark.parametrize(("card", "budget"), [(16, 10), (10, 10), (7.99, 7.99), (None, 10)])
def test_the_standard_budget_is_ten_gigabytes_or_the_whole_card(card, budget):
    assert resolve({"profile": "standard"}, {}, vram_gigabytes=card).gpu.budget_gigabytes == budget


@pytest.mark.parametrize("profile", list(profiles.PROFILES))
def test_every_profile_is_valid_settings(profile):
    Settings.model_validate({"profile": profile, **profiles.defaults(profile, 4.0)})


def test_making_a_layer_leaves_the_table_alone():
    before = repr(profiles.PROFILES)
    profiles.defaults("standard", 3.0)
    assert repr(profiles.PROFILES) == before

"""Clips become a film without a seam; and what lies between pictures."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from deployments.backends.motion.svd.chaining import Light, chained
from deployments.backends.motion.svd.interpolation import Between, interpolated
from pipeline.contracts import Picture


def scene(shift: float, size: int = 96) -> np.ndarray:
    """Waves that have moved so many pixels to the right, (size, size, 3) of 0 to 255."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    waves = [np.sin((x - shift) / 9 + c) + np.cos(y / 13 - c) for c in range(3)]
    return np.stack([128 + 45 * wave + 10 * c for c, wave in enumerate(waves)], axis=-1).astype(np.float32)


def normalised(picture: np.ndarray) -> np.ndarray:
    flat = picture.reshape(-1, 3).astype(np.float64)
    return (flat - flat.mean(axis=0)) / flat.std(axis=0)


GRID = np.arange(0, 56, 0.25)
"""Shifts within one period of the waves."""
SCENES = np.stack([normalised(scene(float(shift))[::4]).astype(np.float32) for shift in GRID])


def shift_of(picture: np.ndarray) -> float:
    """How far the waves have moved, whatever the light."""
    return float(GRID[np.abs(SCENES - normalised(picture[::4])).mean(axis=(1, 2)).argmin()])


class Drifting:
    """A model whose clips move on evenly from what they are shown, but grow darker and flatter, and shiver."""

    def __init__(self, frames: int = 12) -> None:
        self.frames = frames
        self.shown: list[Picture] = []

    def __call__(self, picture: Picture, number: int) -> np.ndarray:
        self.shown.append(picture)
        start = shift_of(picture)
        noise = np.random.default_rng(number)
        clip = [scene(start + i) for i in range(self.frames)]
        fading = [(0.97 - 0.02 * i) * frame - 2 * i + noise.normal(0, 1.5, 3) for i, frame in enumerate(clip)]
        return np.stack(fading).astype(np.float32)


def steps(pictures: list[Picture]) -> np.ndarray:
    return np.array([np.abs(b.astype(float) - a).mean() for a, b in pairwise(pictures)])


def test_a_join_is_no_larger_a_step_than_those_beside_it() -> None:
    model = Drifting()
    film = list(islice(chained(model, scene(0).astype(np.uint8), 4), 48))
    taken = steps(film)
    joins = {8 * clip + offset for clip in range(1, 6) for offset in range(-1, 5)}
    inside = [step for number, step in enumerate(taken) if number not in joins and number + 1 not in joins]
    assert len(model.shown) == 6
    assert max(taken[number] for number in joins if number < len(taken)) <= 1.15 * max(inside)
    # The film has gone on as if it were one clip: a pixel to the right with each frame.
    for number in (0, 20, 47):
        assert abs(shift_of(film[number]) - number) <= 1


def test_the_light_of_the_picture_stays() -> None:
    first = scene(0).astype(np.uint8)
    film = list(islice(chained(Drifting(), first, 4), 48))
    for frame in film:
        assert np.abs(frame.mean(axis=(0, 1)) - first.mean(axis=(0, 1))).max() < 3
        assert np.abs(frame.std(axis=(0, 1)) - first.std(axis=(0, 1))).max() < 3
    flat = Light.of(first).on(np.full((1, 8, 8, 3), 7, np.float32))
    assert np.abs(flat.mean(axis=(0, 1, 2)) - first.mean(axis=(0, 1))).max() < 1, "what has no contrast gets none"


def test_clips_that_are_too_short_to_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        next(chained(Drifting(5), scene(0).astype(np.uint8), 3))


@pytest.mark.parametrize("fps", [Fraction(7), Fraction(24), Fraction(30000, 1001), Fraction(5)])
def test_pictures_come_at_any_rate_and_no_more_are_taken_than_needed(fps: Fraction) -> None:
    taken: list[int] = []

    def source() -> Any:
        for number in range(1000):
            taken.append(number)
            yield scene(2.0 * number).astype(np.uint8)

    film = list(interpolated(source(), Fraction(7), fps, 40))
    assert len(film) == 40
    last = 39 * 7 / fps
    assert len(taken) <= int(last) + 2
    for number in (0, 7, 23, 39):
        expected = scene(float(2 * number * 7 / fps))
        assert np.abs(film[number][16:-16, 16:-16] - expected[16:-16, 16:-16]).mean() < 4, number


def test_what_moves_moves_half_way_instead_of_being_there_twice() -> None:
    rng = np.random.default_rng(1)
    import cv2

    texture = cv2.GaussianBlur(rng.uniform(0, 255, (160, 160, 3)).astype(np.float32), (0, 0), 3)
    texture = (texture - texture.min()) / (texture.max() - texture.min()) * 255

    def at(shift: int) -> Picture:
        return np.ascontiguousarray(texture[32:128, 32 - shift : 128 - shift].astype(np.uint8))

    between = Between(at(0), at(8)).at(0.5).astype(float)
    inside = np.s_[16:-16, 16:-16]
    mixed = (at(0).astype(float) + at(8)) / 2
    assert np.abs(between - at(4))[inside].mean() < 0.35 * np.abs(mixed - at(4))[inside].mean()

"""Enlarged films hold still where nothing moves, and smear nothing that does."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture
from pipeline.steps.steady import KEPT, Steady


def sharpened(source: Picture) -> Picture:
    """An upscaler that invents detail, of noise too: twice as large, edges doubled."""
    large = cv2.resize(source, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    return np.clip(large + 1.5 * (large - cv2.GaussianBlur(large, (0, 0), 1.5)), 0, 255).astype(np.uint8)


def detail(frames: list[Picture], sources: list[Picture]) -> NDArray[np.float32]:
    bases = [cv2.resize(source, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for source in sources]
    return np.stack([frame.astype(np.float32) - base for frame, base in zip(frames, bases, strict=True)])


def test_what_is_invented_flickers_a_third_as_much_in_a_scene_at_rest(astronaut: Picture) -> None:
    scene = astronaut[100:228, 150:278].astype(np.float32) * 0.8 + 20
    random = np.random.default_rng(5)
    noisy = [np.clip(scene + random.normal(0, 3, scene.shape), 0, 255).astype(np.uint8) for _ in range(40)]
    raw, steady = [sharpened(frame) for frame in noisy], Steady()
    held = [steady(source, large) for source, large in zip(noisy, raw, strict=True)]
    before = detail(raw, noisy)[10:].std(axis=0).mean()
    after = detail(held, noisy)[10:].std(axis=0).mean()
    assert before > 2
    assert after < before * (np.sqrt((1 - KEPT) / (1 + KEPT)) + 0.12)
    # What is there stays there: the mean over time is the same picture.
    assert np.abs(np.mean(held[10:], axis=0) - np.mean(raw[10:], axis=0)).mean() < 0.5


def test_what_moves_is_left_as_it_is(astronaut: Picture) -> None:
    steady = Steady()
    for number in range(12):
        source = np.ascontiguousarray(astronaut[100:196, 100 + 7 * number : 196 + 7 * number])
        large = sharpened(source)
        held = steady(source, large)
        smeared = np.abs(held.astype(int) - large).mean(axis=2) > 6
        assert smeared.mean() < 0.05


def test_a_cut_shows_nothing_of_the_scene_before(astronaut: Picture) -> None:
    one, other = astronaut[:96, :96], np.bitwise_not(astronaut[300:396, 200:296])
    steady = Steady()
    for _ in range(5):
        steady(one, sharpened(one))
    large = sharpened(other)
    assert np.abs(steady(other, large).astype(int) - large).mean() < 0.5


def test_frames_of_another_size_begin_anew(astronaut: Picture) -> None:
    steady = Steady()
    for side in (64, 96):
        large = sharpened(np.ascontiguousarray(astronaut[:side, :side]))
        np.testing.assert_array_equal(steady(astronaut[:side, :side], large), large)

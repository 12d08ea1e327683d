"""The warping itself, on numbers: it finds what is there, in order, and says so where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.backends.transcribe.warping import FASTEST, warp


def open_ended(states: int, ceiling: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """No ceilings but at the ends, where staying costs nothing."""
    ceilings = np.full(states, np.inf, np.float32)
    ceilings[[0, -1]] = ceiling
    patient = np.zeros(states, bool)
    patient[[0, -1]] = True
    return ceilings, patient


def drawn(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (frames, 8)).astype(np.float32)


def test_what_is_the_same_is_found_frame_by_frame() -> None:
    template = drawn(200)
    found = warp(template, template, *open_ended(200))
    assert found is not None
    np.testing.assert_array_equal(found.path, np.arange(200))
    assert found.costs.max() < 1e-2


def test_slower_and_faster_parts_are_followed() -> None:
    template = drawn(300)
    truth = np.concatenate([np.arange(100), np.arange(100, 200, 3), np.arange(200, 240, 0.5), np.arange(240, 300)])
    truth = truth.astype(int)
    found = warp(template[truth], template, *open_ended(300))
    assert found is not None
    assert np.abs(found.path - truth).max() <= 2
    assert np.all(np.diff(found.path) >= 0)
    assert np.diff(found.path).max() <= FASTEST


def test_what_is_before_and_after_belongs_to_the_ends() -> None:
    template = drawn(100)
    recording = np.concatenate([drawn(80, 1), template[1:-1], drawn(50, 2)])
    found = warp(recording, template, *open_ended(100, 1.0))
    assert found is not None
    np.testing.assert_array_equal(found.path[85:170], np.arange(6, 91))
    assert set(found.path[:78]) == {0}
    assert set(found.path[-48:]) == {99}


def test_a_narrow_window_finds_the_same_in_a_long_recording() -> None:
    template = drawn(3000)
    recording = np.repeat(template, np.random.default_rng(1).integers(1, 3, 3000), axis=0)
    whole, narrow = (warp(recording, template, *open_ended(3000), width=width) for width in (3000, 300))
    assert whole is not None
    assert narrow is not None
    np.testing.assert_array_equal(whole.path, narrow.path)


@pytest.mark.parametrize("frames", [1, 2, 33])
def test_a_template_that_is_too_long_does_not_fit(frames: int) -> None:
    assert warp(drawn(frames), drawn(frames * FASTEST + 5), *open_ended(frames * FASTEST + 5)) is None


def test_a_window_that_lost_the_way_still_comes_to_the_end() -> None:
    """Nothing matches, so whatever is best says nothing: the end is reached all the same."""
    found = warp(drawn(1400, 1), drawn(4000, 2), *open_ended(4000), width=300)
    assert found is not None
    assert found.path[-1] >= 3998

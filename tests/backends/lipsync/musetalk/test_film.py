"""lipsync-musetalk on a film as it comes: the same as of a film that was made ready as a whole."""

from __future__ import annotations

from itertools import count
from typing import Any

import cv2
import numpy as np
import pytest

from deployments.backends.lipsync.meshwarp.portrait import BT601, i420
from deployments.backends.lipsync.musetalk.backend import Musetalk
from pipeline.contracts import Speech
from tests.backends.lipsync.films import COUNT, FPS, GONE, frames, meshes, pictures, written
from tests.backends.lipsync.photo import spoken


@pytest.fixture(scope="module")
def model(small: dict[str, Any]) -> Musetalk:
    options: dict[str, Any] = small | {"batch": 4}
    return Musetalk(**options)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return meshes(written(tmp_path_factory.mktemp("film") / "film.mp4"))


def short(seconds: float) -> Speech:
    speech = spoken()
    return Speech(speech.samples[: round(seconds * speech.sample_rate)], speech.sample_rate, None, "en-us")


def drawn(model: Musetalk, found: np.ndarray, speech: Speech) -> np.ndarray:
    runs = list(model.dub(frames(found, speech.frame_count(FPS)), speech, FPS))
    return np.concatenate([run.planes for run in runs])


def test_faces_are_drawn_and_frames_without_one_stay(model: Musetalk, found: np.ndarray) -> None:
    made = drawn(model, found, short(0.8))
    assert made.shape == (20, 384, 320)
    for number in range(20):
        place = number % COUNT
        still = i420(np.asarray(cv2.transform(pictures()[place], BT601), np.uint8))
        if place in GONE:
            np.testing.assert_array_equal(made[number], still)
        else:
            changed = np.argwhere(made[number][:256] != still[:256])
            assert len(changed) > 300
            assert changed[:, 0].min() > found[place][10, 1], "nothing above the forehead"
    np.testing.assert_array_equal(made, drawn(model, found, short(0.8)))


def test_no_more_frames_are_taken_than_are_made_at_once(model: Musetalk, found: np.ndarray) -> None:
    taken = count()
    next(model.dub((frame for frame in frames(found, 100) if next(taken) >= 0), spoken(), FPS))
    assert next(taken) <= 8

"""lipsync-wav2lip on a film: the mouth moves with the sound where there is a face, and nothing else does."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

from deployments.backends.lipsync.meshwarp.portrait import BT601, i420
from deployments.backends.lipsync.wav2lip.backend import Wav2Lip
from pipeline.contracts import FilmFrame, Speech
from tests.backends.lipsync.films import COUNT, FPS, GONE, frames, meshes, pictures, written
from tests.backends.lipsync.photo import spoken


@pytest.fixture(scope="module")
def model(weights: Path) -> Wav2Lip:
    return Wav2Lip(weights=str(weights), precision="float32", threads=1, batch_frames=4)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return meshes(written(tmp_path_factory.mktemp("film") / "film.mp4"))


def short(seconds: float) -> Speech:
    speech = spoken()
    return Speech(speech.samples[: round(seconds * speech.sample_rate)], speech.sample_rate, None, "en-us")


def drawn(model: Wav2Lip, found: np.ndarray, speech: Speech) -> np.ndarray:
    wanted = speech.frame_count(FPS)
    runs = list(model.dub(frames(found, wanted), speech, FPS))
    assert [run.first for run in runs] == [sum(len(run.planes) for run in runs[:at]) for at in range(len(runs))]
    return np.concatenate([run.planes for run in runs])


def still(number: int) -> np.ndarray:
    return i420(np.asarray(cv2.transform(pictures()[number], BT601), np.uint8))


def test_the_mouth_moves_and_nothing_else(model: Wav2Lip, found: np.ndarray) -> None:
    made = drawn(model, found, short(0.8))
    assert made.shape == (20, 384, 320)
    for number in range(20):
        place = number % COUNT
        if place in GONE:
            np.testing.assert_array_equal(made[number], still(place))
            continue
        changed = np.argwhere(made[number][:256] != still(place)[:256])
        mesh = found[place]
        assert len(changed) > 300, "the lips at least"
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
        height = mesh[152, 1] - mesh[10, 1]
        assert top > mesh[5, 1] - 2, "nothing above the ridge of the nose"
        assert bottom < mesh[152, 1] + 0.1 * height
        assert left >= mesh[:, 0].min() - 2
        assert right <= mesh[:, 0].max() + 2


def test_what_is_said_is_seen(model: Wav2Lip, found: np.ndarray) -> None:
    loud = short(0.4)
    quiet = Speech(np.zeros_like(loud.samples), loud.sample_rate, None, "en-us")
    assert (drawn(model, found, loud) != drawn(model, found, quiet)).any()
    np.testing.assert_array_equal(drawn(model, found, loud), drawn(model, found, loud))


def test_frames_do_not_depend_on_how_many_are_made_at_once(weights: Path, model: Wav2Lip, found: np.ndarray) -> None:
    other = Wav2Lip(weights=str(weights), precision="float32", threads=1, batch_frames=7)
    difference = drawn(model, found, short(0.5)).astype(int) - drawn(other, found, short(0.5))
    assert np.abs(difference).max() <= 1


def test_no_more_frames_are_taken_than_are_made_at_once(model: Wav2Lip, found: np.ndarray) -> None:
    taken = count()
    runs = model.dub((frame for frame in frames(found, 100) if next(taken) >= 0), spoken(), FPS)
    next(runs)
    assert next(taken) == 4


def test_a_face_at_the_edge_is_drawn_as_far_as_it_is_seen(model: Wav2Lip, found: np.ndarray) -> None:
    mesh, picture = found[0], pictures()[0]
    for right, down in ((-float(mesh[:, 0].mean()), 0), (0, 256 - float(mesh[13, 1])), (400, 0)):
        moved = mesh + np.array([right, down, 0], np.float32)
        (run,) = model.dub(iter([FilmFrame(picture, moved)]), short(0.03), FPS)
        assert run.planes.shape == (1, 384, 320)

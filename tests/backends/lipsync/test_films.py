"""A film's face found in every frame, and the film made to speak by each backend that can: the steps around them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from deployments.backends import registry
from deployments.backends.face.mediapipe import MediapipeFace
from pipeline.contracts import DubRequest, Encoding, FilmFrame, Frames, Speech, TrackRequest
from pipeline.errors import SettingsError, UnusableFace
from pipeline.media.video import VideoWriter, probe, read_frames
from pipeline.steps.dub import dub
from pipeline.steps.track import track
from tests.backends.lipsync.films import COUNT, FPS, GONE, meshes, pictures, shifts, written


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("film") / "film.mp4")


@pytest.fixture(scope="module")
def found(film: Path) -> np.ndarray:
    return meshes(film)


class Numbered:
    """Draws nothing: passes frames on, and counts how many are in memory."""

    def __init__(self) -> None:
        self.seen: list[FilmFrame] = []

    def dub(self, frames: Iterator[FilmFrame], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        import cv2

        for number, frame in enumerate(frames):
            self.seen.append(FilmFrame(np.zeros((2, 2, 3), np.uint8), frame.mesh))
            yield Frames(number, np.asarray(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2YUV_I420), np.uint8)[None])


def speech(seconds: float) -> Speech:
    tone = (0.2 * np.sin(np.arange(round(16_000 * seconds)) / 9)).astype(np.float32)
    return Speech(tone, 16_000, None, "en")


def test_a_face_is_followed_and_its_absence_keeps_its_place(found: np.ndarray) -> None:
    gone = ~np.isfinite(found).all(axis=(1, 2))
    assert np.flatnonzero(gone).tolist() == list(GONE)
    nose = found[:, 1, 0]
    expected = nose[0] + np.array(shifts()) - shifts()[0]
    assert np.abs((nose - expected)[~gone]).max() < 2.5, "steadied, so a turn is cut a little"


def test_a_film_without_a_face_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    with VideoWriter(path, size=(128, 128), fps=FPS) as writer:
        writer.write_frames(np.full((3, 192, 128), 120, np.uint8))
    with pytest.raises(UnusableFace) as refused:
        list(track(MediapipeFace(), TrackRequest(np.fromfile(path, np.uint8), FPS, 3)))
    assert (refused.value.code, refused.value.field) == ("no_face", "video")


@pytest.mark.parametrize("seconds", [0.3, COUNT / 25, 1.3])
def test_the_film_is_as_long_as_the_speech(
    film: Path, found: np.ndarray, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "work"))
    asked = DubRequest(np.fromfile(film, np.uint8), found, speech(seconds), FPS)
    pieces = list(dub(Numbered(), asked, Encoding()))  # ty: ignore[invalid-argument-type]
    target = tmp_path / "dubbed.mp4"
    target.write_bytes(b"".join(piece.data for piece in pieces))
    facts = probe(target)
    assert facts.frames == asked.frame_count == pieces[-1].frames
    assert (facts.width, facts.height, facts.fps) == (320, 256, FPS)
    assert facts.audio_seconds is not None
    assert abs(facts.audio_seconds - facts.frames / 25) <= 1 / 25
    turns = [*range(COUNT), *reversed(range(COUNT)), *range(COUNT)]
    for turn, picture in zip(turns, read_frames(target), strict=False):
        assert np.abs(picture.astype(int) - pictures()[turn]).mean() < 4
    assert not list((tmp_path / "work").iterdir()), "nothing is left behind"


def test_at_another_rate_the_same_moments_are_shown(film: Path) -> None:
    *_, last = track(MediapipeFace(), TrackRequest(np.fromfile(film, np.uint8), Fraction(10), COUNT))
    assert last.meshes is not None
    assert last.frames == len(last.meshes)
    assert abs(last.frames - 6) <= 1, "0.56 s"
    model = Numbered()
    asked = DubRequest(np.fromfile(film, np.uint8), last.meshes, speech(0.5), Fraction(10))
    list(dub(model, asked, Encoding()))  # ty: ignore[invalid-argument-type]
    assert len(model.seen) == 5
    assert model.seen[2].mesh is None, "the face is gone from 0.2 s on"


def test_a_row_that_says_dubs_has_to_have_the_method() -> None:
    row = registry.find("lipsync", "meshwarp")
    with pytest.raises(SettingsError, match="dub"):
        from dataclasses import replace

        registry.check(replace(row, dubs=True), {})
    assert registry.dubbing() == ("wav2lip", "musetalk")

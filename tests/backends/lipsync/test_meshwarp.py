"""The renderer as the pipeline sees it: counts, repetition, stillness, and lips that do what the track says."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import chain, repeat

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.lips import GAP, HEIGHT
from deployments.backends.lipsync.meshwarp.backend import Meshwarp, Scene
from deployments.backends.lipsync.meshwarp.eyes import Gaze
from deployments.backends.lipsync.meshwarp.head import loudness
from deployments.backends.lipsync.meshwarp.motion import Motion
from deployments.backends.lipsync.mouth import CHANNELS, MouthTrack
from deployments.backends.lipsync.windows import HOP, Windows
from pipeline.contracts import AnimationRequest, Phoneme, Speech, StretchRequest, Word
from pipeline.errors import InvalidRequest
from pipeline.models import StretchingModel
from tests.backends.lipsync.photo import photo, request, spoken
from tests.backends.lipsync.speech import clip
from tests.backends.lipsync.stretching import stretches


def drawn(asked: AnimationRequest, **options: int) -> np.ndarray:
    chunks = list(Meshwarp(**options).animate(asked))
    assert [chunk.first for chunk in chunks] == list(np.cumsum([0, *(len(chunk.planes) for chunk in chunks[:-1])]))
    return np.concatenate([chunk.planes for chunk in chunks])


def whole(asked: AnimationRequest) -> StretchRequest:
    return StretchRequest(asked, 0, 0, asked.frame_count)


def silence(seconds: float) -> Speech:
    return Speech(np.zeros(int(22050 * seconds), np.float32), 22050, (), "en")


def tracked(size: int, **channels: float) -> np.ndarray:
    """One RGB frame of a still head whose mouth stands as told."""
    values = np.array([[channels.get(name, 0.0) for name in CHANNELS]], np.float32)
    asked = request(speech=silence(0.04), size=size, head_motion=0.0, blink=False)
    moves = replace(Motion(whole(asked)).run(0, 1), mouth=MouthTrack(values, asked.fps))
    return cv2.cvtColor(Scene(asked).draw(moves).planes[0], cv2.COLOR_YUV2RGB_I420)


def test_is_a_lipsync_model() -> None:
    assert isinstance(Meshwarp(), StretchingModel)


@pytest.mark.parametrize(("fps", "size"), [(Fraction(25), 256), (Fraction(30000, 1001), 130), (Fraction(5), 1536)])
def test_makes_every_frame_in_chunks_of_about_half_a_second(fps: Fraction, size: int) -> None:
    asked = request(fps=fps, size=size, speech=replace(spoken(), samples=spoken().samples[:30000], phonemes=None))
    chunks = list(Meshwarp().animate(asked))
    assert sum(len(chunk.planes) for chunk in chunks) == asked.frame_count
    assert all(chunk.planes.shape[1:] == (size // 2 * 3, size) for chunk in chunks)
    assert all(chunk.planes.dtype == np.uint8 for chunk in chunks)
    assert max(len(chunk.planes) for chunk in chunks) <= max(1, round(fps / 2))
    assert [c.first for c in chunks] == list(np.cumsum([0, *(len(c.planes) for c in chunks[:-1])]))


def test_same_request_same_bytes_whatever_the_threads() -> None:
    asked = request(size=192)
    once = drawn(asked)
    assert np.array_equal(once, drawn(asked))
    assert np.array_equal(once, drawn(asked, threads=1))
    assert np.array_equal(once, drawn(asked, threads=3))


def test_any_frame_can_be_drawn_alone() -> None:
    asked = request(size=192, seed=7)
    frames = drawn(asked)
    scene, motion = Scene(asked), Motion(whole(asked))
    for index in (41, 3, 40):
        assert np.array_equal(scene.draw(motion.run(index, 1)).planes[0], frames[index])


def test_seed_changes_the_motion() -> None:
    assert not np.array_equal(drawn(request(size=128, seed=1)), drawn(request(size=128, seed=2)))


def test_a_still_head_keeps_the_upper_face_as_it_is() -> None:
    frames = drawn(request(size=256, head_motion=0.0, blink=False))
    luma = frames[:, :256].astype(int)
    assert np.array_equal(luma[:, :100], np.broadcast_to(luma[:1, :100], luma[:, :100].shape))
    picture, face = photo()
    x, y, side = face.crop
    photo_luma = cv2.cvtColor(cv2.resize(picture[y : y + side, x : x + side], (256, 256)), cv2.COLOR_RGB2YUV_I420)
    error = np.mean((photo_luma[:100].astype(int) - luma[0, :100]) ** 2)
    assert error < 12


def test_silence_is_no_frozen_stare() -> None:
    frames = drawn(request(size=128, speech=silence(8)))
    change = np.abs(np.diff(frames[:, :128].astype(int), axis=0)).mean(axis=(1, 2))
    assert (change > 0).mean() > 0.95


def test_motion_is_smooth() -> None:
    """No frame jumps: the change of the change stays of the order of the change."""
    frames = drawn(request(size=128, speech=silence(6), blink=False))[:, :128].astype(float)
    speed = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))
    assert speed.max() < 6 * np.median(speed)


def test_eyes_close_in_a_blink_and_only_if_asked() -> None:
    lids = Gaze(request(speech=silence(8))).run(0, 200).lids
    assert lids.max() >= 14
    assert (lids > 0).mean() < 0.2
    assert Gaze(request(blink=False)).run(0, 200).lids.max() == 0


def test_lips_open_and_close_as_the_track_says() -> None:
    """Measured by the face mesh: closed for m, about as wide open as meant otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mediapipe.python.solutions import face_mesh

        shapes = [
            {},
            {"jaw": 0.5, "press": 1.0},
            {"jaw": 0.35, "lower": 0.3},
            {"jaw": 0.6, "upper": 0.3, "wide": 0.4},
            {"jaw": 1.0, "upper": 0.3, "lower": 0.4},
            {"jaw": 0.5, "pucker": 0.8, "wide": -0.6},
        ]
        gaps = []
        with face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
            for shape in shapes:
                found = mesh.process(tracked(512, **shape)).multi_face_landmarks[0].landmark
                points = np.array([(p.x, p.y) for p in found])
                height = np.linalg.norm(points[HEIGHT[0]] - points[HEIGHT[1]])
                gaps.append(np.mean([np.linalg.norm(points[a] - points[b]) for a, b in GAP]) / height)
    rows = np.array([[shape.get(name, 0.0) for name in CHANNELS] for shape in shapes], np.float32)
    meant = MouthTrack(rows, Fraction(25)).opening()
    assert max(gaps[:2]) < 0.012
    assert np.corrcoef(gaps, meant)[0, 1] > 0.96


def test_teeth_show_between_open_lips_and_not_between_closed_ones() -> None:
    closed, open_ = tracked(256), tracked(256, jaw=0.6, upper=0.4, lower=0.4)
    _, face = photo()
    x, y, side = face.crop
    middle = (face.landmarks[13, :2] - (x, y)) * 256 / side
    cx, cy = middle.astype(int)
    area = np.s_[cy : cy + 14, cx - 8 : cx + 8]
    assert open_[area].max() > closed[area].max() - 5
    assert open_[area].min() < 90 < closed[area].min()


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("size", {"size": 127}),
        ("size", {"size": 0}),
        ("size", {"size": 10_000}),
        ("fps", {"fps": Fraction(0)}),
        ("seed", {"seed": -1}),
        ("head_motion", {"head_motion": float("nan")}),
        ("head_motion", {"head_motion": 3.0}),
        ("portrait", {"portrait": np.zeros((10, 10), np.uint8)}),
    ],
)
def test_refuses_what_it_cannot_draw(field: str, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        next(iter(Meshwarp().animate(replace(request(), **changes))))
    assert refused.value.field == field
    assert refused.value.accepted


@pytest.mark.parametrize("crop", [(-1, 0, 100), (500, 0, 100), (0, 0, 1), (0, 0, 513)])
def test_refuses_a_crop_outside_the_picture(crop: tuple[int, int, int]) -> None:
    asked = request()
    with pytest.raises(InvalidRequest):
        next(iter(Meshwarp().animate(replace(asked, face=replace(asked.face, crop=crop)))))


def test_refuses_landmarks_that_are_not_numbers() -> None:
    asked = request()
    landmarks = asked.face.landmarks.copy()
    landmarks[13, 1] = np.nan
    with pytest.raises(InvalidRequest):
        next(iter(Meshwarp().animate(replace(asked, face=replace(asked.face, landmarks=landmarks)))))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    scale=st.sampled_from([0.0, 0.3, 1.0, 3.0, 100.0]),
    shift=st.tuples(st.integers(-200, 200), st.integers(-200, 200)),
    noise=st.sampled_from([0.0, 1.0, 30.0, 1000.0]),
    seed=st.integers(0, 2**32),
)
def test_any_landmarks_make_frames(scale: float, shift: tuple[int, int], noise: float, seed: int) -> None:
    """However wrong the face is, what comes is a video or a clear refusal, not a crash."""
    asked = request(size=128, speech=silence(0.12))
    landmarks = asked.face.landmarks * np.float32(scale)
    landmarks[:, :2] += np.array(shift, np.float32)
    landmarks += np.random.default_rng(seed).normal(0, 1, landmarks.shape).astype(np.float32) * noise
    odd = replace(asked, face=replace(asked.face, landmarks=landmarks.astype(np.float32)))
    try:
        assert len(drawn(odd)) == odd.frame_count
    except InvalidRequest as refused:
        assert refused.field == "face.landmarks"


def test_abandoning_it_ends_its_threads() -> None:
    frames = Meshwarp(threads=2).animate(request(size=192))
    next(frames)
    frames.close()  # ty: ignore
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("meshwarp")]


@lru_cache(maxsize=1)
def long_speech() -> Speech:
    """Loud and soft sentences, with pauses, for eleven seconds."""
    said = [clip(text, "en-us") for text in ("Mama buys a pie for papa.", "Oh how far we move.", "Back home at last.")]
    quiet = [replace(speech, samples=speech.samples * np.float32(0.3)) for speech in said]
    return Speech.join([*said, silence(0.8), *quiet, said[0]])


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(3, 2)])
@pytest.mark.parametrize("by_sound", [False, True])
def test_stretches_are_the_frames_of_the_whole_to_the_last_bit(fps: Fraction, by_sound: bool) -> None:
    speech = replace(long_speech(), phonemes=None) if by_sound else long_speech()
    asked = request(size=128, fps=fps, speech=speech, seed=3)
    frames = drawn(asked)
    assert np.array_equal(stretches(Meshwarp(), asked, chain((12, 13, 25, 38), repeat(75))), frames)
    assert np.array_equal(stretches(Meshwarp(), asked, repeat(11)), frames)


def test_too_little_sound_is_refused_rather_than_drawn_differently() -> None:
    asked = request(size=128, speech=long_speech())
    with pytest.raises(ValueError, match="has to be heard"):
        list(Meshwarp().stretch(StretchRequest(asked, 100, 110, 10)))


def test_a_longer_video_begins_as_a_shorter_one_does() -> None:
    """Blinks, glances and head motion don't know how long the video will be."""
    short = replace(long_speech(), samples=long_speech().samples[: 22050 * 9])
    once, twice = (Motion(whole(request(speech=speech, seed=5))).run(0, 125) for speech in (short, long_speech()))
    assert np.array_equal(once.looks.lids, twice.looks.lids)
    assert np.array_equal(once.looks.glances, twice.looks.glances)
    assert once.head is not None
    assert twice.head is not None
    assert np.array_equal(once.head, twice.head)
    assert np.array_equal(once.mouth.values, twice.mouth.values)


def test_going_from_window_to_window_is_not_seen() -> None:
    """How loud loud is differs from window to window; the head and the mouth follow it without a jump."""
    asked = request(speech=replace(long_speech(), phonemes=None))
    rows = Windows(whole(asked), lambda speech, count: loudness(speech, asked.fps, count)[:, None]).rows(
        0, asked.frame_count
    )
    steps = np.abs(np.diff(rows[:, 0]))
    borders = np.arange(round(HOP * 25), asked.frame_count, round(HOP * 25)) - 1
    assert steps[borders].max() <= np.percentile(np.delete(steps, borders), 99)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_a_cut_speech_knows_its_own_times(rate: int) -> None:
    speech = Speech(
        np.arange(rate, dtype=np.float32) / rate,
        rate,
        (Phoneme(0.0, 0.4, "a"), Phoneme(0.4, 0.7, "m"), Phoneme(0.7, 1.0, "")),
        "en",
        (Word(0.1, 0.5, "am"),),
    )
    cut = speech.cut(rate // 2, rate)
    assert len(cut.samples) == rate // 2
    assert [(round(p.start, 9), round(p.end, 9), p.ipa) for p in cut.phonemes or ()] == [(0, 0.2, "m"), (0.2, 0.5, "")]
    assert cut.words == ()
    assert len(speech.cut(rate, 2 * rate).samples) == 0

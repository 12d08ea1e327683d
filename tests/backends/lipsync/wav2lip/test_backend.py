"""lipsync-wav2lip as the pipeline sees it, with the real network and weights made by chance."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from deployments.backends import registry
from deployments.backends.lipsync.wav2lip.backend import Wav2Lip
from deployments.backends.lipsync.wav2lip.hearing import AFTER, heard
from deployments.backends.lipsync.wav2lip.mel import mel
from pipeline.contracts import AnimationRequest, Speech
from pipeline.errors import InvalidRequest, MissingWeights, SettingsError
from pipeline.models import LipsyncModel
from tests.backends.lipsync.photo import photo, request, spoken


@pytest.fixture(scope="module")
def model(weights: Path) -> Wav2Lip:
    return Wav2Lip(weights=str(weights), precision="float32", threads=1)


def short(seconds: float, **options: object) -> AnimationRequest:
    speech = spoken()
    speech = replace(speech, samples=speech.samples[: round(seconds * speech.sample_rate)], phonemes=None)
    return request(speech=speech, **options)


def drawn(model: Wav2Lip, asked: AnimationRequest) -> np.ndarray:
    chunks = list(model.animate(asked))
    assert [chunk.first for chunk in chunks] == list(np.cumsum([0, *(len(chunk.planes) for chunk in chunks[:-1])]))
    return np.concatenate([chunk.planes for chunk in chunks])


def test_is_a_backend_of_the_table(weights: Path) -> None:
    row = registry.find("lipsync", "wav2lip")
    assert not row.commercial_use
    assert isinstance(registry.load(row, {"weights": str(weights)}), LipsyncModel)


@pytest.mark.parametrize(("fps", "size"), [(Fraction(25), 128), (Fraction(30000, 1001), 130), (Fraction(24), 256)])
def test_makes_every_frame_in_chunks_of_about_half_a_second(model: Wav2Lip, fps: Fraction, size: int) -> None:
    asked = short(0.8, fps=fps, size=size)
    chunks = list(model.animate(asked))
    assert sum(len(chunk.planes) for chunk in chunks) == asked.frame_count
    assert all(chunk.planes.shape[1:] == (size // 2 * 3, size) for chunk in chunks)
    assert max(len(chunk.planes) for chunk in chunks) <= round(fps / 2)


def test_same_request_same_bytes(model: Wav2Lip) -> None:
    asked = short(0.3, size=128)
    assert np.array_equal(drawn(model, asked), drawn(model, asked))


def test_a_second_clip_of_an_avatar_makes_nothing_ready_anew(weights: Path) -> None:
    asked, other = short(0.1, size=128), short(0.2, size=128, seed=5, head_motion=0.0)
    model = Wav2Lip(weights=str(weights), precision="float32", threads=1, avatars=1, batch_frames=2)
    looked: list[int] = []
    model._inference._network.face_encoder_blocks[0].register_forward_hook(lambda *_: looked.append(1))
    first = drawn(model, asked)
    drawn(model, other)
    assert np.array_equal(drawn(model, replace(asked, portrait=asked.portrait.copy())), first), "by content"
    assert len(looked) == 1
    drawn(model, replace(asked, size=160))
    assert np.array_equal(drawn(model, asked), first)
    assert len(looked) == 3, "only one was to be kept"


def test_frames_do_not_depend_on_how_many_are_made_at_once(model: Wav2Lip, weights: Path) -> None:
    asked = short(0.6, size=128)
    few = Wav2Lip(weights=str(weights), precision="float32", threads=1, batch_frames=5)
    assert np.abs(drawn(model, asked).astype(int) - drawn(few, asked)).max() <= 1, "rounding alone"


def test_the_sound_moves_the_mouth_and_nothing_else(model: Wav2Lip) -> None:
    asked = short(0.8, size=256, head_motion=0.0, blink=False)
    frames = drawn(model, asked)[:, :256].astype(int)
    moved = np.ptp(frames, axis=0)
    _, face = photo()
    mouth = int((face.landmarks[13, 1] - face.crop[1]) * 256 / face.crop[2])
    eyes = int((face.landmarks[145, 1] - face.crop[1]) * 256 / face.crop[2])
    assert moved[mouth].max() > 8
    assert not moved[:eyes].any()


def test_an_offset_shifts_the_sound_against_the_picture(weights: Path) -> None:
    asked = short(0.5, size=128, head_motion=0.0, blink=False)
    early = Wav2Lip(weights=str(weights), precision="float32", threads=1, audio_offset=0.04)
    plain = Wav2Lip(weights=str(weights), precision="float32", threads=1, audio_offset=0.0)
    earlier, there = drawn(early, asked).astype(int), drawn(plain, asked)
    assert np.abs(earlier[:-1] - there[1:]).max() <= 1
    assert np.abs(earlier - there).max() > 8


def test_the_last_frames_hear_the_end_and_then_silence() -> None:
    loud = Speech(np.full(16000, 0.5, np.float32) * np.sin(np.arange(16000, dtype=np.float32)), 16000, None, "en")
    sound = heard(loud)
    assert sound.shape[1] == (16000 + AFTER) // 200 + 1
    assert np.array_equal(sound[:, :78], mel(loud.samples)[:, :78])
    assert np.all(sound[:, 83:] == -4)


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100, 48000])
def test_sound_of_any_rate_keeps_its_time(rate: int) -> None:
    """A click after half a second is in the mel frames of that moment."""
    samples = np.zeros(rate, np.float32)
    samples[rate // 2] = 1
    loudness = heard(Speech(samples, rate, None, "en")).sum(axis=0)
    heavy = np.flatnonzero(loudness > loudness.max() - 20)
    assert abs(heavy.mean() - 40) <= 0.5


def test_a_moment_of_sound_is_one_frame(model: Wav2Lip) -> None:
    speech = Speech(np.zeros(10, np.float32), 16000, None, "en")
    assert len(drawn(model, request(speech=speech, size=128))) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"size": 127}, "size"),
        ({"size": 4096}, "size"),
        ({"fps": Fraction(0)}, "fps"),
        ({"head_motion": 3.0}, "head_motion"),
        ({"seed": -1}, "seed"),
        ({"speech": Speech(np.full(100, np.nan, np.float32), 16000, None, "en")}, "speech"),
    ],
)
def test_what_cannot_be_made_is_refused(model: Wav2Lip, change: dict, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        next(model.animate(request(**change)))
    assert refused.value.field == field


def test_without_weights_it_says_which_command_fetches_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeights) as missing:
        Wav2Lip()
    assert "mouthpiece models pull wav2lip-gan" in (missing.value.accepted or "")
    with pytest.raises(MissingWeights, match="wav2lip_gan"):
        Wav2Lip(weights=str(tmp_path))


def test_options_out_of_range_are_refused(weights: Path) -> None:
    row = registry.find("lipsync", "wav2lip")
    for option in (
        {"batch_frames": 0},
        {"avatars": 0},
        {"threads": 0},
        {"audio_offset": 2.0},
        {"precision": "int8"},
        {"model": "x"},
    ):
        with pytest.raises(SettingsError):
            registry.load(row, {"weights": str(weights), **option})

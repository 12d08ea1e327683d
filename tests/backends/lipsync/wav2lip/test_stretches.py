"""Wav2Lip by stretches: the very frames of the whole video, which its windows and its batches have to allow."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest

from deployments.backends.lipsync.wav2lip.backend import Wav2Lip
from pipeline.contracts import AnimationRequest, Speech, StretchRequest
from pipeline.models import StretchingModel
from tests.backends.lipsync.photo import request, spoken
from tests.backends.lipsync.stretching import stretches

NTSC = Fraction(30000, 1001)


@pytest.fixture
def model(weights: Path) -> Wav2Lip:
    return Wav2Lip(weights=str(weights), precision="float32", threads=1)


def long_speech(rate: int, seconds: float) -> Speech:
    """Noise that grows louder and softer, so that no two windows of it are alike."""
    count = round(rate * seconds)
    noise = np.random.default_rng(3).standard_normal(count)
    swell = 0.15 * (1.1 + np.sin(np.arange(count) * (2 * np.pi * 0.7 / rate)))
    return Speech((noise * swell).astype(np.float32), rate, None, "en")


def drawn(model: Wav2Lip, asked: AnimationRequest) -> np.ndarray:
    return np.concatenate([run.planes for run in model.animate(asked)])


def test_is_a_model_of_stretches(model: Wav2Lip) -> None:
    assert isinstance(model, StretchingModel)


@pytest.mark.parametrize(
    ("rate", "fps", "offset"),
    [(22050, NTSC, -0.04), (24000, Fraction(25), 1.0), (22051, Fraction(24), -1.0), (16000, Fraction(10), 0.0)],
)
def test_every_frame_hears_what_it_hears_in_the_whole(weights: Path, rate: int, fps: Fraction, offset: float) -> None:
    """Its window to the last bit, and the head moves as there: faces are noise that each window sows."""
    model = Wav2Lip(weights=str(weights), precision="float32", threads=1, audio_offset=offset)

    def faces(sounds: np.ndarray, _seen: object) -> np.ndarray:
        sown = [np.random.default_rng(zlib.crc32(sound.tobytes())) for sound in sounds]
        return np.stack([np.repeat(random.random((3, 96, 1), np.float32), 96, axis=2) for random in sown])

    model._inference.faces = faces  # ty: ignore[invalid-assignment]
    asked = request(size=128, fps=fps, speech=long_speech(rate, 7.9), seed=3)
    frames = drawn(model, asked)
    assert np.array_equal(stretches(model, asked, chain((12, 13, 25, 38), repeat(75))), frames)
    late = round(6.8 * fps)
    assert np.array_equal(stretches(model, asked, (7, 5, 1, 100), late), frames[late:])


def test_the_network_makes_the_faces_of_the_whole(weights: Path) -> None:
    """Over borders within its batches, and with a last batch that is not full."""
    speech = spoken()
    speech = replace(speech, samples=speech.samples[: round(0.63 * speech.sample_rate)], phonemes=None)
    asked = request(size=128, fps=NTSC, speech=speech, head_motion=0.0)
    model = Wav2Lip(weights=str(weights), precision="float32", threads=1, batch_frames=8)
    frames = drawn(model, asked)
    assert len(np.unique(frames[:, 64:128].reshape(19, -1), axis=0)) > 16, "the mouth moves"
    assert np.array_equal(stretches(model, asked, (11, 5, 3)), frames)


def test_too_little_sound_is_refused_rather_than_drawn_differently(model: Wav2Lip) -> None:
    asked = request(size=128, speech=long_speech(16000, 2.0))
    with pytest.raises(ValueError, match="has to be heard"):
        list(model.stretch(StretchRequest(asked, 100, 110, 10)))

"""lipsync-musetalk by stretches: the very frames of the whole video, of sound that is near them."""

from __future__ import annotations

import zlib
from dataclasses import replace
from fractions import Fraction
from itertools import chain, repeat
from typing import Any

import numpy as np
import pytest
import torch

from deployments.backends import registry
from deployments.backends.lipsync.musetalk import networks
from deployments.backends.lipsync.musetalk.backend import Musetalk
from deployments.backends.lipsync.musetalk.ear import NEAR, SEGMENTS, Ear
from deployments.backends.lipsync.musetalk.hearing import Hearing
from deployments.handles import HandleModels
from pipeline.contracts import HEARD_AFTER, HEARD_BEFORE, AnimationRequest, Speech, StretchRequest
from pipeline.errors import InvalidRequest
from pipeline.models import StretchingModel
from pipeline.recent import Recent
from tests.backends.lipsync.photo import photo
from tests.backends.lipsync.stretching import stretches

FPS = Fraction(25)
NTSC = Fraction(30_000, 1001)


@pytest.fixture(scope="module")
def model(small: dict[str, Any]) -> Musetalk:
    return Musetalk(**small)


def noise(seconds: float, rate: int = 16_000) -> Speech:
    """That grows louder and softer, so that no two seconds of it are alike."""
    count = round(rate * seconds)
    swell = 0.15 * (1.1 + np.sin(np.arange(count) * (2 * np.pi * 0.7 / rate)))
    samples = np.random.default_rng(3).standard_normal(count) * swell
    return Speech(samples.astype(np.float32), rate, None, "en")


def asked(speech: Speech, fps: Fraction = FPS) -> AnimationRequest:
    return AnimationRequest(*photo(), speech, 128, fps)


def drawn(model: Musetalk, request: AnimationRequest) -> np.ndarray:
    return np.concatenate([run.planes for run in model.animate(request)])


def test_is_a_model_of_stretches(model: Musetalk) -> None:
    assert isinstance(model, StretchingModel)


@pytest.mark.parametrize(("rate", "fps", "batch"), [(22_050, NTSC, 16), (22_051, Fraction(24), 5)])
def test_every_frame_hears_what_it_hears_in_the_whole(
    small: dict[str, Any], rate: int, fps: Fraction, batch: int
) -> None:
    """To the last bit, over the border of two of the reference's segments: what is drawn are grey squares, of a grey
    that what is heard and the row of the batch decide, and states are noise that features sow."""
    model = Musetalk(**small, batch=batch)
    ear, generator = model._renderer._ear, model._generator

    def states(mel: torch.Tensor, first: int, count: int) -> torch.Tensor:
        sown = np.random.default_rng([zlib.crc32(mel.numpy().tobytes()), first])
        return torch.from_numpy(sown.random((count, ear.layers, ear.width), np.float32))

    def faces(latents: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        assert len(latents) == len(tokens) == batch, "the same size always"
        grey = [(zlib.crc32(each.numpy().tobytes()) + row) % 256 for row, each in enumerate(tokens)]
        return torch.tensor(grey, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 64, 64)

    ear.states, generator.faces = states, faces  # ty: ignore[invalid-assignment]
    request = asked(noise(33.7, rate), fps)
    frames = drawn(model, request)
    assert len(frames) == request.frame_count
    assert len(np.unique(frames[:, 70, 64])) > 150
    ear._remembered = Recent(0)  # each stretch has to hear for itself
    assert np.array_equal(stretches(model, request, chain((12, 13, 25), repeat(250))), frames)
    late = round(28.9 * fps)
    assert np.array_equal(stretches(model, request, (7, 5, 1, 12, 100), late), frames[late : late + 125])


def test_the_networks_draw_the_faces_of_the_whole(model: Musetalk) -> None:
    """Over borders within their batches of four, and with a last batch that is not full."""
    request = asked(noise(1.43))
    frames = drawn(model, request)
    assert len(np.unique(frames.reshape(36, -1), axis=0)) == 36
    assert np.array_equal(stretches(model, request, (11, 5, 3, 100)), frames)


def test_a_stretch_makes_nothing_ready_and_hears_nothing_twice(small: dict[str, Any]) -> None:
    model = Musetalk(**small)
    seen: list[int] = []
    heard: list[int] = []
    model._generator._vae.encoder.register_forward_hook(lambda *_: seen.append(1))
    model._renderer._ear._encoder.register_forward_hook(lambda *_: heard.append(1))
    stretches(model, asked(noise(2.0)), repeat(7))
    assert len(seen) == 1
    assert len(heard) == 2, "one for each second"


@pytest.fixture(scope="module")
def encoder(small: dict[str, Any]) -> Any:
    return networks.whisper_encoder(small["whisper_weights"])


def tokens(ear: Ear, speech: Speech) -> np.ndarray:
    return Hearing(ear, speech, FPS, torch.float32).tokens(0, speech.frame_count(FPS)).numpy()


@pytest.mark.parametrize("at", [4.0, 4.3, 4.96])
def test_a_frame_depends_on_what_is_near_it_alone(encoder: Any, at: float) -> None:
    """Other sound from `at` on leaves frames alone that begin 1.6 s before it, and other sound until `at` those that
    begin 3.1 s after it; both change what is nearer. In segments of 30 s it changes every frame."""
    speech = noise(8.4)
    border = round(at * speech.sample_rate)
    kept, other = speech.samples, -speech.samples[::-1]
    for hears in (NEAR, SEGMENTS):
        ear = Ear(encoder, hears)
        usual = tokens(ear, speech)
        later = tokens(ear, replace(speech, samples=np.concatenate([kept[:border], other[border:]])))
        earlier = tokens(ear, replace(speech, samples=np.concatenate([other[:border], kept[border:]])))
        begins = np.arange(len(usual)) / float(FPS)
        far = begins < at - 1.6, begins >= at + 3.1
        for changed, beyond in zip((later, earlier), far, strict=True):
            differs = (changed != usual).any(axis=(1, 2))
            if hears is NEAR:
                assert beyond.any()
                assert not differs[beyond].any()
            else:
                assert differs.all()
        assert (later != usual).any(axis=(1, 2))[(begins >= at - 0.6) & (begins < 8)].all(), "at least half a second"
        assert (earlier != usual).any(axis=(1, 2))[(begins > 0.1) & (begins < at + 1.9)].all()
    assert (HEARD_BEFORE, HEARD_AFTER) > (3.1, 1.6)


def test_what_is_near_is_heard_where_it_is_in_its_segment(encoder: Any) -> None:
    """What goes into the first layer is what goes into it in the whole segment; what comes out of the last is not far
    from it, and goes on from one second to the next."""
    speech = noise(34.0)
    near, whole = tokens(Ear(encoder, NEAR), speech), tokens(Ear(encoder, SEGMENTS), speech)
    near, whole = (each.reshape(len(each), 10, 5, -1) for each in (near, whole))
    inside = np.abs(np.arange(len(near)) / 25 - 30) > 0.2  # beside a segment's border, one hears no further
    assert np.abs(near[inside, :, 0] - whole[inside, :, 0]).max() < 1e-3
    apart = np.abs(near - whole).max()
    assert 0 < apart < 0.1 * np.abs(whole).max()


def test_too_little_sound_is_refused_rather_than_drawn_differently(model: Musetalk) -> None:
    with pytest.raises(ValueError, match="has to be heard"):
        list(model.stretch(StretchRequest(asked(noise(2.0)), 100, 110, 10)))


def test_whole_segments_make_whole_videos_only(small: dict[str, Any], model: Musetalk) -> None:
    wide = Musetalk(**small, hears="segments")
    request = asked(noise(1.5))
    assert drawn(wide, request).shape == drawn(model, request).shape
    with pytest.raises(InvalidRequest) as refused:
        list(wide.stretch(StretchRequest(request, 0, 0, 10)))
    assert (refused.value.code, refused.value.field) == ("not_streamed", "options.musetalk.hears")
    handles: Any = {"lipsync": {"meshwarp": None, "musetalk": None}}
    assert HandleModels(handles).stretching() == ("meshwarp", "musetalk")
    assert HandleModels(handles, {"musetalk": {"hears": "segments"}}).stretching() == ("meshwarp",)
    row = registry.find("lipsync", "musetalk")
    assert {name for name, _ in row.whole_by} <= {option.name for option in registry.options(row)}

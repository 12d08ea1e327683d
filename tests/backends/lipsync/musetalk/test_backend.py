"""The whole backend on small networks: a portrait and a film, frame for frame."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from deployments.backends import registry
from deployments.backends.lipsync.meshwarp.portrait import cut, i420
from deployments.backends.lipsync.musetalk.backend import Musetalk
from deployments.backends.lipsync.musetalk.footage import Footage, portrait
from pipeline.contracts import AnimationRequest, Face, Speech
from pipeline.errors import InvalidRequest, SettingsError, UnusableFace
from tests.backends.lipsync.photo import photo


def speech(seconds: float, rate: int = 22_050) -> Speech:
    samples = np.random.default_rng(1).normal(0, 0.2, round(seconds * rate)).astype(np.float32)
    return Speech(samples, rate, None, "en")


def request(seconds: float = 0.5, **options: Any) -> AnimationRequest:
    picture, face = photo()
    return AnimationRequest(picture, face, speech(seconds), **options)


@pytest.fixture(scope="module")
def backend(small: dict[str, Any]) -> Musetalk:
    return registry.load(registry.find("lipsync", "musetalk"), small)


def planes(backend: Musetalk, wanted: AnimationRequest) -> np.ndarray:
    chunks = list(backend.animate(wanted))
    assert [chunk.first for chunk in chunks] == list(np.cumsum([0, *(len(chunk.planes) for chunk in chunks)]))[:-1]
    return np.concatenate([chunk.planes for chunk in chunks])


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30_000, 1001), Fraction(30)])
def test_a_portrait_has_every_frame_and_is_unchanged_outside_the_face(backend: Musetalk, fps: Fraction) -> None:
    wanted = request(0.61, size=256, fps=fps)
    found = planes(backend, wanted)
    assert found.shape == (wanted.frame_count, 384, 256)
    assert found.dtype == np.uint8
    still = i420(cut(wanted.portrait, wanted.face, 256).yuv)
    shot = portrait(wanted)
    box = backend._look.box(shot)
    assert box is not None
    x0, y0, x1, y1 = box.moved(shot.scale, shot.right, shot.down).rounded()
    changed = (found[:, :256] != still[:256]).any(axis=0)
    assert changed[y0:y1, x0:x1].any()
    changed[y0:y1, x0:x1] = False
    assert not changed.any()
    colour = (found[:, 256:] != still[256:]).any(axis=0).reshape(2, 128, 128)
    colour[:, y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2] = False
    assert not colour.any()
    upper = (found[:, :256] != still[:256]).any(axis=(0, 2))
    assert not upper[: (y0 + y1) // 2 - 12].any(), "the eyes are not drawn anew"


def test_frames_follow_the_sound_and_chance_plays_no_part(backend: Musetalk) -> None:
    wanted = request(size=128)
    first = planes(backend, wanted)
    assert np.array_equal(first, planes(backend, wanted))
    samples = wanted.speech.samples[::-1].copy()
    other = AnimationRequest(wanted.portrait, wanted.face, Speech(samples, 22_050, None, "en"), size=128)
    assert (first != planes(backend, other)).any()


def test_a_second_clip_of_an_avatar_starts_at_once(small: dict[str, Any]) -> None:
    backend = Musetalk(**small, avatars=1)
    encoded: list[int] = []
    backend._generator._vae.encoder.register_forward_hook(
        lambda _module, inputs, _output: encoded.append(len(inputs[0]))
    )
    planes(backend, request(0.2, size=128))
    assert encoded == [2], "the half face and the face"
    planes(backend, request(0.4, size=128))
    assert len(encoded) == 1
    planes(backend, request(0.2, size=160))
    assert len(encoded) == 2, "other frames"
    planes(backend, request(0.2, size=128))
    assert len(encoded) == 3, "only one was to be kept"


def test_batches_of_any_size_give_the_same_frames(small: dict[str, Any], backend: Musetalk) -> None:
    whole = planes(Musetalk(**small, batch=8), request(size=128)).astype(int)
    # Sums in another order: a level here and there.
    assert np.abs(whole - planes(backend, request(size=128)).astype(int)).max() <= 1


def test_abandoned_work_stops(backend: Musetalk) -> None:
    drawn: list[int] = []
    hook = backend._generator._unet.register_forward_hook(lambda *_: drawn.append(1))
    frames = backend.animate(request(20, size=128))
    next(frames)
    frames.close()  # ty: ignore
    hook.remove()
    assert len(drawn) == 1


def footage(gone: tuple[int, ...], count: int = 5) -> Footage:
    picture, face = photo()
    picture = np.ascontiguousarray(picture[:400, :480])
    moved, faces = [], []
    for number in range(count):
        moved.append(np.roll(picture, number, axis=1))
        landmarks = face.landmarks + np.array([number, 0, 0], np.float32)
        x0, y0, x1, y1 = face.box
        there = Face(landmarks, (x0 + number, y0, x1 + number, y1), 0, 0, 0, 1, (0, 0, 400))
        faces.append(None if number in gone else there)
    return Footage(tuple(moved), tuple(faces))


def test_a_film_goes_to_and_fro_and_frames_without_a_face_keep_their_place(backend: Musetalk) -> None:
    film = footage(gone=(2,))
    avatar = backend.prepare(film)
    found = np.concatenate([chunk.planes for chunk in backend.speak(avatar, speech(0.48), Fraction(25))])
    assert found.shape == (12, 600, 480)
    stills = [i420(shot.frame) for shot in film.shots()]
    for number, shown in enumerate([0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1]):
        same = np.array_equal(found[number], stills[shown])
        assert same == (shown == 2), number
        assert np.array_equal(found[number][:40], stills[shown][:40]), "its own background"


def test_films_that_cannot_be_are_refused(backend: Musetalk) -> None:
    film = footage(gone=())
    with pytest.raises(UnusableFace) as refused:
        backend.prepare(footage(gone=tuple(range(5))))
    assert refused.value.code == "no_face"
    for wrong in (
        Footage(film.pictures, film.faces[:2]),
        Footage((), ()),
        Footage((film.pictures[0], film.pictures[1][:-2]), film.faces[:2]),
        Footage((film.pictures[0][:-1],), film.faces[:1]),
    ):
        with pytest.raises(InvalidRequest):
            backend.prepare(wrong)


def test_version_1_0_and_parsing(small: dict[str, Any], tmp_path: Any) -> None:
    from benchmarks.random_musetalk import write
    from deployments.backends.lipsync.musetalk.bisenet import BiSeNet

    torch.manual_seed(2)
    torch.save(BiSeNet().state_dict(), tmp_path / "79999_iter.pth")
    options = write(tmp_path / "all", "v10")
    backend = Musetalk(**options, box_shift=3.0, parsing=True, parsing_weights=str(tmp_path))
    assert planes(backend, request(0.2, size=128)).shape == (5, 192, 128)
    assert backend._look.mode == "raw"
    shot = portrait(request(size=128))
    shifted, plain = backend._look.box(shot), Musetalk(**options)._look.box(shot)
    assert shifted is not None
    assert plain is not None
    assert shifted.y0 == pytest.approx(plain.y0 + 6), "the middle by three, the top by twice that"


def test_half_precision_stays_close(small: dict[str, Any], backend: Musetalk) -> None:
    half = Musetalk(**small, precision="bfloat16")
    wanted = request(0.2, size=128)
    difference = np.abs(planes(half, wanted).astype(int) - planes(backend, wanted).astype(int))
    assert difference.mean() < 0.5
    assert difference.max() < 40


@pytest.mark.parametrize("wrong", [{"batch": -1}, {"avatars": 0}, {"box_shift": 2.0}, {"parsing_weights": "somewhere"}])
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as refused:
        registry.load(registry.find("lipsync", "musetalk"), wrong)
    assert refused.value.code == "invalid_option"


def test_a_mesh_is_masked_below_the_nose_and_within_the_face() -> None:
    from deployments.backends.lipsync.musetalk.box import Box
    from deployments.backends.lipsync.musetalk.labels import LOWER_LIP, MOUTH, NOSE, SKIN, UPPER_LIP, of_mesh

    picture, face = photo()
    mesh = face.landmarks[:, :2].astype(np.float64) + 0.5
    x0, y0, x1, y1 = face.box
    square = Box(x0 - 20, y0 - 20, x1 + 20, y1 + 20)
    labels = of_mesh(picture, mesh, square)

    def at(index: int) -> int:
        x = (mesh[index, 0] - square.x0) * 512 / square.width
        y = (mesh[index, 1] - square.y0) * 512 / square.height
        return int(labels[int(y), int(x)])

    assert set(np.unique(labels)) == {0, SKIN, NOSE, MOUTH, UPPER_LIP, LOWER_LIP}
    assert at(4) == NOSE
    assert at(199) == SKIN
    assert at(50) == SKIN
    area = cv2.contourArea(mesh[[10, 454, 152, 234]].astype(np.float32)) * 512**2 / square.width / square.height
    assert (labels > 0).sum() > area

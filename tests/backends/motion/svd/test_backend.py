"""motion-svd with small networks of the real classes, through the loader of the published layout."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from deployments.backends import device, registry
from deployments.backends.device import Logical
from deployments.backends.motion.svd.backend import StableVideo
from deployments.backends.motion.svd.conditioning import Motion, canvas, drawn_size, shown
from pipeline.contracts import Camera, MotionRequest, Picture
from pipeline.errors import Damaged, MissingWeights
from tests.goldens import inventory

MIB = 1 << 20


def built(small: dict[str, Any], options: dict[str, Any]) -> StableVideo:
    return StableVideo(**(small | options))


@pytest.fixture(scope="module")
def model(small: dict[str, Any]) -> StableVideo:
    return built(small, {})


@pytest.fixture(scope="module")
def picture() -> Picture:
    from skimage import data

    return np.ascontiguousarray(data.astronaut()[:300, 60:460])


def asked(picture: Picture, frames: int = 20, **more: Any) -> MotionRequest:
    return MotionRequest(picture, frames, 128, 96, Fraction(more.pop("fps", 10)), more.pop("camera", "still"), **more)


def made(model: StableVideo, request: MotionRequest) -> np.ndarray:
    runs = list(model.move(request))
    assert [run.first for run in runs] == list(range(0, request.frame_count, max(1, round(request.fps / 2))))
    return np.concatenate([run.planes for run in runs])


def test_is_a_backend_of_the_table(small: dict[str, Any]) -> None:
    row = registry.find("motion", "svd")
    assert (row.weights, row.commercial_use) == (("svd-xt",), False)
    assert isinstance(registry.load(row, small), StableVideo)


def test_the_unet_has_the_parameters_of_the_published_one() -> None:
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet: Any = UNetSpatioTemporalConditionModel(sample_size=96, num_attention_heads=(5, 10, 20, 20), num_frames=25)
    assert sum(tensor.numel() for tensor in unet.parameters()) == 1_524_623_082


def test_the_unet_has_the_names_and_shapes_that_its_configuration_makes() -> None:
    from diffusers import UNetSpatioTemporalConditionModel

    from benchmarks.random_svd import REAL

    with torch.device("meta"):
        unet: Any = UNetSpatioTemporalConditionModel(**REAL["unet"])
    listed = inventory("svd_unet")
    assert {name: list(tensor.shape) for name, tensor in unet.state_dict().items()} == listed["tensors"]
    assert len(listed["tensors"]) == listed["count"] == 1428


def test_a_film_longer_than_a_clip_has_every_frame_and_no_seam(model: StableVideo, picture: Picture) -> None:
    film = made(model, asked(picture, 30, fps=7))  # of five clips, at the network's own rate: nothing in between
    assert film.shape == (30, 144, 128)
    steps = np.abs(np.diff(film[:, :96].astype(float), axis=0)).mean(axis=(1, 2))
    joins = [5 * clip + offset for clip in range(1, 6) for offset in (-1, 0, 1, 2)]
    inside = [step for number, step in enumerate(steps) if number not in joins]
    assert max(steps[number] for number in joins if number < len(steps)) <= 1.1 * max(inside)
    light = film[:, :96].reshape(30, -1).mean(axis=1)
    assert light.max() - light.min() < 4, "and does not grow darker"


def test_the_same_request_gives_the_same_film_and_another_seed_another(model: StableVideo, picture: Picture) -> None:
    first = made(model, asked(picture, 8, seed=1))
    np.testing.assert_array_equal(first, made(model, asked(picture, 8, seed=1)))
    assert (first != made(model, asked(picture, 8, seed=2))).any()


@pytest.mark.parametrize("camera", get_args(Camera))
def test_every_camera_moves_over_the_frames(model: StableVideo, picture: Picture, camera: Camera) -> None:
    film = made(model, asked(picture, 6, camera=camera, strength=2.0))
    assert film.shape == (6, 144, 128)
    if camera != "still":
        assert (film != made(model, asked(picture, 6, strength=2.0))).any()


def test_without_strength_nothing_moves(model: StableVideo, picture: Picture) -> None:
    film = made(model, asked(picture, 8, strength=0.0, camera="zoom_in"))
    assert (film == film[0]).all()


def test_what_the_network_is_told(model: StableVideo, picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    original: Callable[..., Any] = model._pipeline.unet.forward

    def listening(*arguments: Any, **named: Any) -> Any:
        told.update(named)
        return original(*arguments, **named)

    monkeypatch.setattr(model._pipeline.unet, "forward", listening)
    made(model, asked(picture, 2, strength=2.0))
    # Frames a second less one, as it was trained; the motion bucket; the noise.
    assert told["added_time_ids"][0].tolist() == pytest.approx([6, 254, 0.08], abs=1e-3)
    assert (Motion.of(1.0), Motion.of(0.001).bucket) == (Motion(127, 0.02), 1)


def test_frames_are_decoded_a_few_at_a_time(
    small: dict[str, Any], picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sizes(room: int | None = None, **options: Any) -> list[int]:
        found: list[int] = []
        before = device.current()
        device.use(Logical(room))
        try:
            model = built(small, options)
        finally:
            device.use(before)
        original: Callable[..., Any] = model._pipeline.vae.decode

        def counting(latents: torch.Tensor, *arguments: Any, **named: Any) -> Any:
            found.append(len(latents))
            return original(latents, *arguments, **named)

        monkeypatch.setattr(model._pipeline.vae, "decode", counting)
        made(model, asked(picture, 2))
        return found

    assert sizes(decode_frames=3) == [3, 3, 2]
    assert sizes(slicing=True) == [1] * 8
    assert sizes() == [4, 4]
    # 3.5 MiB a frame, 0.75 MiB for the clip's pictures, and a fifth to spare.
    assert sizes(round(11.4 / 0.8 * MIB)) == [3, 3, 2]
    assert sizes(round(11.1 / 0.8 * MIB)) == [2, 2, 2, 2]
    assert sizes(1000 * MIB) == [8]
    assert sizes(10) == [1] * 8
    assert sizes(1000 * MIB, decode_frames=5) == [5, 3], "what is set counts"


def test_what_it_is_shown_has_the_shape_of_the_frames() -> None:
    assert drawn_size(1920, 1080, 1024 * 576) == (1024, 576)
    assert drawn_size(1080, 1920, 1024 * 576) == (576, 1024)
    assert drawn_size(512, 512, 1024 * 576) == (768, 768)
    assert drawn_size(4000, 128, 64 * 64) == (384, 64)
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 200:300] = 255
    request = MotionRequest(wide, 5, 128, 128, focus=(0.625, 0.5))
    assert shown(request, (64, 64)).mean() > 250, "what is around the focus"
    assert canvas(request, np.zeros((64, 64, 3), np.uint8)).focus == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("option", "value"),
    [("pixels", 10), ("clip_frames", 1), ("overlap", 5), ("overlap", 0), ("rate", 1), ("steps", 0), ("threads", 0)],
)
def test_options_out_of_range_are_refused(small: dict[str, Any], option: str, value: int) -> None:
    with pytest.raises(ValueError, match=option):
        built(small, {option: value})


def test_files_that_are_not_the_networks_are_refused_by_name(
    small: dict[str, Any], weights: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "other"
    shutil.copytree(weights, folder)
    path = folder / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    tensors = load_file(path)
    tensors["conv_inn.weight"] = tensors.pop("conv_in.weight")
    save_file(tensors, path)
    with pytest.raises(Damaged, match=r"no conv_in\.weight") as refused:
        built(small, {"weights": str(folder)})
    assert refused.value.code == "damaged_weights"
    path.unlink()
    with pytest.raises(MissingWeights, match="unet"):
        built(small, {"weights": str(folder)})
    shutil.rmtree(folder / "image_encoder")
    shutil.copytree(weights / "unet", folder / "unet", dirs_exist_ok=True)
    with pytest.raises(MissingWeights, match="image_encoder"):
        built(small, {"weights": str(folder)})

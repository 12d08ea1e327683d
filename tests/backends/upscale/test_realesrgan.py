"""Real-ESRGAN by way of spandrel: the published layout, strict loading, tiles, and that torchvision is not missed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deployments.backends import registry  # noqa: E402
from deployments.backends.published.location import located  # noqa: E402
from deployments.backends.upscale.architectures import spandrel  # noqa: E402
from deployments.backends.upscale.realesrgan import RealEsrgan, described  # noqa: E402
from pipeline.contracts import Picture, UpscaleRequest  # noqa: E402
from pipeline.errors import Damaged, MissingWeights  # noqa: E402
from pipeline.models import UpscaleModel  # noqa: E402
from tests.conftest import torch_threads  # noqa: E402
from tests.goldens import inventory, seeded  # noqa: E402

FILE = "RealESRGAN_x4plus.pth"


def saved(folder: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    torch.save({"params_ema": dict(tensors)}, folder / FILE)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose more to threads that wait for each other than they gain."""
    with torch_threads(1):
        yield


@pytest.fixture(scope="module")
def one_block() -> dict[str, torch.Tensor]:
    """RRDBNet in the published names, with one of its 23 blocks: a network of 64 channels that runs in no time."""
    tensors = seeded("realesrgan_x4plus_rrdbnet")
    return {name: value for name, value in tensors.items() if not name.startswith("body.") or name[:7] == "body.0."}


def test_the_published_file_is_known_by_its_names_and_shapes() -> None:
    tensors = seeded("realesrgan_x4plus_rrdbnet")
    assert len(tensors) == inventory("realesrgan_x4plus_rrdbnet")["count"] == 702
    network = described(tensors, Path(FILE))
    assert network.architecture.id == "ESRGAN"
    assert (network.scale, network.input_channels, network.output_channels) == (4, 3, 3)
    assert sum(parameter.numel() for parameter in network.model.parameters()) == 16_697_987


def test_tiles_give_what_the_network_gives_for_the_whole(
    tmp_path: Path, one_block: dict[str, torch.Tensor], astronaut: Picture
) -> None:
    folder = saved(tmp_path, one_block)
    model = RealEsrgan(weights=str(folder), tile=32, overlap=16)
    assert isinstance(model, UpscaleModel)
    picture = np.ascontiguousarray(astronaut[90:138, 190:230])
    made = model.upscale(UpscaleRequest(picture, 160, 192))
    assert (made.shape, made.dtype) == ((192, 160, 3), np.uint8)
    network = described(one_block, folder)
    with torch.inference_mode():
        light = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        whole = network.model(light).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    # One block sees 21 pixels around each, and what is 8 away is all that two tiles disagree about.
    assert np.abs(made - whole).max() < 3
    assert np.abs(made - whole).mean() < 0.3
    own = RealEsrgan(file=str(folder / FILE), tile=32, overlap=16)
    np.testing.assert_array_equal(own.upscale(UpscaleRequest(picture, 160, 192)), made)
    assert model.upscale(UpscaleRequest(picture, 80, 96)).shape == (96, 80, 3)


def test_another_architecture_is_known_as_well(tmp_path: Path, astronaut: Picture) -> None:
    """SRVGGNetCompact, as realesr-general-x4v3 is: recognised by its tensors, not by its name."""
    generator = torch.Generator().manual_seed(2)
    shapes = {"body.0.weight": (16, 3, 3, 3), "body.0.bias": (16,), "body.1.weight": (16,)}
    shapes |= {"body.2.weight": (16, 16, 3, 3), "body.2.bias": (16,), "body.3.weight": (16,)}
    shapes |= {"body.4.weight": (48, 16, 3, 3), "body.4.bias": (48,)}
    tensors = {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in shapes.items()}
    saved(tmp_path, tensors)
    picture = np.ascontiguousarray(astronaut[:80, :72])
    made = RealEsrgan(file=str(tmp_path / FILE), tile=48, overlap=16).upscale(UpscaleRequest(picture, 288, 320))
    with torch.inference_mode():
        light = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        whole = described(tensors, tmp_path).model(light).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(made - whole).max() <= 0.51, "three convolutions see three pixels around each: nothing is lost"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: {n: v for n, v in t.items() if n != "conv_body.weight"}, "no architecture"),
        (lambda t: {**t, "conv_extra.weight": torch.zeros(3)}, "conv_extra"),
        (lambda t: {**t, "conv_last.weight": torch.zeros(3, 64, 5, 5)}, "size mismatch"),
        (lambda _: {"weight": torch.zeros(3)}, "no architecture"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(one_block: dict[str, torch.Tensor], change, told: str) -> None:
    with pytest.raises(Damaged) as refused:
        described(change(one_block), Path(FILE))
    assert refused.value.code == "damaged_weights"
    assert told in refused.value.message
    assert "mouthpiece models pull" in (refused.value.accepted or "")


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingWeights) as missing:
        located("realesrgan-x4plus")
    assert "realesrgan-x4plus" in (missing.value.accepted or "")
    with pytest.raises(MissingWeights):
        registry.load(registry.find("upscale", "realesrgan"))


def test_no_stand_in_stays_behind() -> None:
    spandrel()
    there = sys.modules.get("torchvision")
    assert there is None or there.__file__, "transformers would take it for the real one"

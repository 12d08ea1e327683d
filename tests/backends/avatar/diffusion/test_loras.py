"""LoRAs: files made with peft change the picture as much as their weight says, and files that don't fit are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from deployments.backends.avatar.diffusion.backend import StableDiffusion, StableDiffusion15, StableDiffusionXL
from pipeline.errors import UnknownName
from tests.backends.avatar.diffusion.test_backend import SMALL, apart, asked


def made(folder: Path, model: StableDiffusion, *, text: bool = False, seed: int = 0) -> Path:
    """A trained LoRA as training scripts save it: peft's tensors by way of diffusers' own writer."""
    parts = model._pipeline
    torch.manual_seed(seed)
    saved = {"unet_lora_layers": _trained(type(parts.unet).from_config(parts.unet.config), ["to_q", "to_v"])}
    if text:
        encoder = type(parts.text_encoder)(parts.text_encoder.config)
        # Under the names that the encoder's modules had when such files were written.
        layers = _trained(encoder, ["q_proj", "v_proj"])
        saved["text_encoder_lora_layers"] = {f"text_model.{name}": tensor for name, tensor in layers.items()}
    folder.mkdir(exist_ok=True)
    type(parts).save_lora_weights(folder, **saved)
    return folder / "pytorch_lora_weights.safetensors"


def _trained(network: Any, targets: list[str]) -> dict[str, torch.Tensor]:
    """Of rank 2, at random: peft itself begins with nothing."""
    peft.inject_adapter_in_model(LoraConfig(r=2, lora_alpha=2, target_modules=targets), network)
    return {name: torch.randn_like(tensor) * 0.5 for name, tensor in peft.get_peft_model_state_dict(network).items()}


@pytest.fixture(scope="module")
def bare(sd15: Path) -> StableDiffusion:
    return StableDiffusion15(weights=str(sd15), image_size=64, **SMALL)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, bare: StableDiffusion) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("loras")
    return {
        "warm": str(made(folder / "warm", bare)),
        "cold": str(made(folder / "cold", bare, text=True, seed=1)),
    }


@pytest.fixture(scope="module")
def model(sd15: Path, files: dict[str, str]) -> StableDiffusion:
    return StableDiffusion15(weights=str(sd15), image_size=64, loras=files, lora_weights={"warm": 1.0}, **SMALL)


def test_a_weight_of_nothing_changes_nothing(bare: StableDiffusion, model: StableDiffusion) -> None:
    plain = bare.draw(asked())
    for loras in ({}, {"warm": 0.0}, {"warm": 0.0, "cold": 0.0}):
        assert np.array_equal(model.draw(asked(loras=loras)), plain), loras


def test_weights_change_the_picture_by_degrees(bare: StableDiffusion, model: StableDiffusion) -> None:
    plain = bare.draw(asked())
    little, much = model.draw(asked(loras={"warm": 0.1})), model.draw(asked(loras={"warm": 1.0}))
    assert 0 < apart(little, plain) < apart(much, plain)


def test_several_at_once_in_whatever_order(model: StableDiffusion) -> None:
    both = model.draw(asked(loras={"warm": 0.8, "cold": 0.6}))
    assert np.array_equal(model.draw(asked(loras={"cold": 0.6, "warm": 0.8})), both)
    alone = model.draw(asked(loras={"warm": 0.8})), model.draw(asked(loras={"cold": 0.6}))
    assert not any(np.array_equal(one, both) for one in alone)
    assert np.array_equal(model.draw(asked(loras={"warm": 0.8, "cold": 0.0})), alone[0])


def test_those_of_the_options_count_where_the_request_names_none(model: StableDiffusion) -> None:
    assert np.array_equal(model.draw(asked()), model.draw(asked(loras={"warm": 1.0})))
    assert not np.array_equal(model.draw(asked()), model.draw(asked(loras={})))


def test_a_photo_is_drawn_over_with_them_as_well(model: StableDiffusion, astronaut: np.ndarray) -> None:
    plain, warm = (model.draw(asked(image=astronaut, loras=loras)) for loras in ({}, {"warm": 1.0}))
    assert not np.array_equal(plain, warm)


def test_a_name_that_there_is_not(model: StableDiffusion) -> None:
    with pytest.raises(UnknownName) as refused:
        model.draw(asked(loras={"hot": 1.0}))
    assert (refused.value.field, refused.value.accepted) == ("loras", "cold, warm")


def test_sdxl_has_them_too(sd15: Path, sdxl: Path, tmp_path: Path) -> None:
    bare = StableDiffusionXL(weights=str(sdxl), side=64, **SMALL)
    files = {"warm": str(made(tmp_path / "warm", bare))}
    model = StableDiffusionXL(weights=str(sdxl), side=64, loras=files, **SMALL)
    plain = bare.draw(asked())
    assert np.array_equal(model.draw(asked()), plain)
    assert not np.array_equal(model.draw(asked(loras={"warm": 1.0})), plain)
    with pytest.raises(ValueError, match=r"loras\.warm: .* does not fit this model"):
        StableDiffusion15(weights=str(sd15), loras=files, **SMALL)


def test_what_other_programs_write_is_the_same_lora(
    sd15: Path, model: StableDiffusion, files: dict[str, str], tmp_path: Path
) -> None:
    """Kohya's names: the module's with underscores, down and up for A and B, and a scale of its own (alpha / rank)."""
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in load_file(files["warm"]).items():
        module, half = name.removeprefix("unet.").removesuffix(".weight").rsplit(".", 1)
        place = "lora_unet_" + module.replace(".", "_")
        way = {"lora_A": "lora_down", "lora_B": "lora_up", "down": "lora_down", "up": "lora_up"}[half]
        tensors[f"{place}.{way}.weight"] = tensor
        tensors[f"{place}.alpha"] = torch.tensor(2.0)
    save_file(tensors, tmp_path / "kohya.safetensors")
    other = StableDiffusion15(
        weights=str(sd15), image_size=64, loras={"warm": str(tmp_path / "kohya.safetensors")}, **SMALL
    )
    assert np.array_equal(other.draw(asked(loras={"warm": 0.7})), model.draw(asked(loras={"warm": 0.7})))


@pytest.mark.parametrize("damage", ["other", "extra", "nowhere", "cut"])
def test_a_file_that_does_not_fit_is_refused(sd15: Path, files: dict[str, str], tmp_path: Path, damage: str) -> None:
    tensors, path = load_file(files["warm"]), tmp_path / "lora.safetensors"
    some = next(iter(tensors))
    if damage == "other":
        tensors = {"weight": torch.zeros(3)}
    elif damage == "extra":
        tensors[some.replace("unet.", "unet.more.")] = tensors[some].clone()
    elif damage == "nowhere":
        tensors = {f"text_encoder_3.{name}": tensor for name, tensor in tensors.items()}
    save_file(tensors, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"loras\.warm: "):
        StableDiffusion15(weights=str(sd15), loras={"warm": str(path)}, **SMALL)

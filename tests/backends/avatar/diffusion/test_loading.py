"""Files in the published layout are read strictly: what is missing, too much or of another shape is said."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers

from deployments.backends import registry
from deployments.backends.avatar.diffusion.backend import StableDiffusion15, StableDiffusionXL
from deployments.backends.published.catalogue import find
from pipeline.errors import Damaged, MissingWeights
from tests.backends.avatar.diffusion.published import changed
from tests.backends.avatar.diffusion.test_backend import SMALL, asked
from tests.goldens import inventory


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_the_small_model_has_the_files_of_the_published_one(
    kind: str, sd15: Path, sdxl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = {"sd15": sd15, "sdxl": sdxl}[kind]
    assert {file.path for file in find(kind).files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "text_encoder_2"])
@pytest.mark.parametrize("damage", ["missing", "extra", "shape", "cut", "gone", "pickle"])
def test_a_damaged_part_is_named(sdxl: Path, tmp_path: Path, part: str, damage: str) -> None:
    folder = shutil.copytree(sdxl, tmp_path / "model")
    (path,) = (folder / part).glob("*.safetensors")

    def spoil(tensors: dict[str, Any]) -> dict[str, Any]:
        name = next(name for name in sorted(tensors) if "weight" in name)
        if damage == "missing":
            del tensors[name]
        elif damage == "extra":
            tensors["more.weight"] = torch.zeros(2)
        elif damage == "shape":
            tensors[name] = torch.zeros(7)
        return tensors

    if damage in ("gone", "pickle"):
        if damage == "pickle":
            torch.save({}, path.with_suffix(".bin"))
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-64])
    else:
        changed(folder, part, spoil)
    with pytest.raises(Damaged) as refused:
        StableDiffusionXL(weights=str(folder), side=64, **SMALL)
    assert refused.value.code == "damaged_weights"
    assert f"its {part} " in refused.value.message
    assert refused.value.accepted == "mouthpiece models pull sdxl"
    if damage == "extra":
        assert "more.weight too many" in refused.value.message


def test_an_index_that_is_none(sd15: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sd15, tmp_path / "model")
    (folder / "model_index.json").write_text("{")
    with pytest.raises(Damaged):
        StableDiffusion15(weights=str(folder))
    (folder / "model_index.json").unlink()
    with pytest.raises(MissingWeights) as missing:
        StableDiffusion15(weights=str(folder))
    assert "model_index.json" in missing.value.message


def test_without_weights_the_command_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("sd15", "sdxl"):
        with pytest.raises(MissingWeights) as missing:
            registry.load(registry.find("avatar", name))
        assert missing.value.accepted == f"mouthpiece models pull {name}"


def test_a_model_that_diffusers_saved_itself(sd15: Path, tmp_path: Path) -> None:
    """Whole precision, new names, no variant: a fine-tuned model of one's own."""
    published = StableDiffusion15(weights=str(sd15), image_size=64, **SMALL)
    published._pipeline.save_pretrained(tmp_path / "own")
    own = StableDiffusion15(weights=str(tmp_path / "own"), image_size=64, **SMALL)
    assert np.array_equal(own.draw(asked()), published.draw(asked()))


CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
CLIP_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
}
UNET_15 = {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64}
UNET_XL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}


def network(kind: str, **config: Any) -> Any:
    """At its real size, without memory for its weights."""
    with torch.device("meta"):
        if kind.startswith("CLIP"):
            return getattr(transformers, kind)(transformers.CLIPTextConfig(vocab_size=49_408, **config))
        return getattr(diffusers, kind)(**config)


@pytest.mark.parametrize(
    ("kind", "config", "tensors", "parameters"),
    [
        ("UNet2DConditionModel", UNET_15, 686, 859_520_964),
        ("UNet2DConditionModel", UNET_XL, 1680, 2_567_463_684),
        ("AutoencoderKL", VAE, 248, 83_653_863),
        ("CLIPTextModel", CLIP_L, 196, 123_060_480),
        ("CLIPTextModelWithProjection", CLIP_G, 517, 694_659_840),
    ],
)
def test_real_sizes(kind: str, config: dict[str, Any], tensors: int, parameters: int) -> None:
    """Half precision of them, and the header, are the sizes of the published files."""
    state = network(kind, **config).state_dict()
    assert (len(state), sum(tensor.numel() for tensor in state.values())) == (tensors, parameters)
    published = {file.size for name in ("sd15", "sdxl") for file in find(name).files}
    header = 512 * 1024
    assert any(0 < (size or 0) - 2 * parameters < header for size in published)


def test_the_unet_has_the_names_of_the_one_that_musetalk_publishes() -> None:
    """Which is Stable Diffusion's with other ends: 8 channels in, and sound instead of words."""
    theirs = {name: tuple(shape) for name, shape in inventory("musetalk_unet")["tensors"].items()}
    state = network("UNet2DConditionModel", **UNET_15).state_dict()
    ours = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert set(ours) == set(theirs)
    other = {name for name, shape in ours.items() if theirs[name] != shape}
    assert all(name == "conv_in.weight" or ".attn2.to_k." in name or ".attn2.to_v." in name for name in other)

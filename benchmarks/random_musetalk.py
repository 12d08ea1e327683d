"""A small MuseTalk with random weights, in files of the published layout: real code, noise for a mouth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

WIDTH = 16
SIDE = 64

UNET: Mapping[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.6.0.dev0",
    "act_fn": "silu",
    "attention_head_dim": 4,
    "block_out_channels": [8, 16, 16, 16],
    "center_input_sample": False,
    "cross_attention_dim": WIDTH,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 8,
    "layers_per_block": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 4,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}
VAE: Mapping[str, Any] = {
    "_class_name": "AutoencoderKL",
    "act_fn": "silu",
    "block_out_channels": [8, 8, 8, 8],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "out_channels": 3,
    "sample_size": SIDE,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
WHISPER: Mapping[str, Any] = {
    "architectures": ["WhisperForConditionalGeneration"],
    "d_model": WIDTH,
    "encoder_layers": 4,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
    "max_target_positions": 8,
    "vocab_size": 32,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "decoder_start_token_id": 1,
    "model_type": "whisper",
}


def old_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's tensors as its file calls them."""
    found = {}
    for name, tensor in tensors.items():
        for new, old in OLD_NAMES.items():
            if ".attentions." in name:
                name = name.replace(f".{new}.", f".{old}.")
        found[name] = tensor.contiguous()
    return found


def save_unet(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], version: str = "v15") -> None:
    inside, file = ("musetalkV15", "unet.pth") if version == "v15" else ("musetalk", "pytorch_model.bin")
    (folder / inside).mkdir(parents=True)
    (folder / inside / "musetalk.json").write_text(json.dumps(config))
    torch.save(dict(tensors), folder / inside / file)


def save_vae(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """`tensors` under their published names."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(dict(tensors), folder / "diffusion_pytorch_model.safetensors")


def save_whisper(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """`tensors` under their published names, of encoder and decoder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": config["num_mel_bins"]}))
    save_file(dict(tensors), folder / "model.safetensors")


def write(folder: Path, version: str = "v15") -> dict[str, Any]:
    """The three models in small below a folder, random but always the same; the backend's options that name them."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    with torch.random.fork_rng():
        torch.manual_seed(5)
        unet: Any = UNet2DConditionModel(**{name: value for name, value in UNET.items() if not name.startswith("_")})
        vae: Any = AutoencoderKL(**{name: value for name, value in VAE.items() if not name.startswith("_")})
        whisper: Any = WhisperForConditionalGeneration(WhisperConfig(**dict(WHISPER)))
    save_unet(folder / "unet", UNET, unet.state_dict(), version)
    save_vae(folder / "vae", VAE, old_names(vae.state_dict()))
    tied = {name: tensor for name, tensor in whisper.state_dict().items() if name != "proj_out.weight"}
    save_whisper(folder / "whisper", WHISPER, tied)
    return {
        "version": version,
        "weights": str(folder / "unet"),
        "vae_weights": str(folder / "vae"),
        "whisper_weights": str(folder / "whisper"),
    }

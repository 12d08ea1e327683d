"""The published models in small: the real classes, a few channels wide, in the files that the real ones have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

Kind = Literal["sd15", "sdxl"]

WIDTH = 32
TOKENS = 400
"""What a text may have: every letter is one here, the published 77 would not hold a style's words."""

OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

UNET: Mapping[str, Any] = {
    "sample_size": 64,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
}
UNETS: Mapping[str, Mapping[str, Any]] = {
    "sd15": {"attention_head_dim": 4, "cross_attention_dim": WIDTH},
    "sdxl": {
        "attention_head_dim": [2, 4],
        "cross_attention_dim": 2 * WIDTH,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": WIDTH + 6 * 8,
        "transformer_layers_per_block": [1, 2],
        "use_linear_projection": True,
    },
}
SCHEDULERS: Mapping[str, Mapping[str, Any]] = {
    "sd15": {
        "_class_name": "PNDMScheduler",
        "_diffusers_version": "0.6.0",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "num_train_timesteps": 1000,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "trained_betas": None,
        "clip_sample": False,
    },
    "sdxl": {
        "_class_name": "EulerDiscreteScheduler",
        "_diffusers_version": "0.19.0.dev0",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "interpolation_type": "linear",
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "sample_max_value": 1.0,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "trained_betas": None,
        "use_karras_sigmas": False,
    },
}
INDEX: Mapping[str, Mapping[str, Any]] = {
    "sd15": {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.6.0",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    },
    "sdxl": {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": True,
        "add_watermarker": None,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    },
}


def save(folder: Path, kind: Kind, *, faithful: bool = False) -> Path:
    """A whole model under the names of the published files.

    Of random weights; or `faithful`: the autoencoder gives back what it was given, but for contrast, and the UNet takes
    nothing for noise, so that what begins with a photo and little noise ends as that photo.
    """
    torch.manual_seed(1)
    _json(folder / "model_index.json", INDEX[kind])
    _json(folder / "scheduler" / "scheduler_config.json", SCHEDULERS[kind])
    unet: Any = diffusers.UNet2DConditionModel(**{**UNET, **UNETS[kind]})
    vae: Any = plain_autoencoder() if faithful else autoencoder()
    if faithful:
        for tensor in unet.conv_out.parameters():
            torch.nn.init.zeros_(tensor)
    for name, network, tensors in (
        ("unet", unet, unet.state_dict()),
        ("vae", vae, _old_names(vae.state_dict()) if kind == "sd15" else vae.state_dict()),
    ):
        network.save_config(folder / name)
        _tensors(folder / name / "diffusion_pytorch_model.fp16.safetensors", tensors)
    encoders = ("text_encoder", "text_encoder_2") if kind == "sdxl" else ("text_encoder",)
    for number, name in enumerate(encoders):
        save_encoder(folder / name, projected=number == 1)
        save_tokenizer(folder / name.replace("text_encoder", "tokenizer"), pad="!" if number else "<|endoftext|>")
    if kind == "sd15":
        _json(folder / "feature_extractor" / "preprocessor_config.json", {"crop_size": 224})
    return folder


def autoencoder() -> Any:
    """As published with its factor of eight, of random weights."""
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=4,
        sample_size=64,
    )


def plain_autoencoder() -> Any:
    """One without a bottleneck, whose weights hand a picture through: 2 channels, +x and -x, for each of the colours.

    All residual branches are nothing. SiLU(x) - SiLU(-x) is x, and a group norm over all six channels only divides by
    their root mean square, since their mean is nothing.
    """
    network: Any = diffusers.AutoencoderKL(
        block_out_channels=(6,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        layers_per_block=1,
        norm_num_groups=1,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,  # of every pixel to every other, for nothing
    )
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            tensor.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        for colour in range(3):
            for side in (network.encoder, network.decoder):
                for sign, channel in ((1, 2 * colour), (-1, 2 * colour + 1)):
                    side.conv_in.weight[channel, colour, 1, 1] = sign
                    # Half the root mean square of what photos have, for they fill half of the range.
                    side.conv_out.weight[colour, channel, 1, 1] = sign * 0.55
            for conv in (network.quant_conv, network.post_quant_conv):
                conv.weight[colour, colour, 0, 0] = 1
        network.quant_conv.bias[4:] = -30.0  # logarithm of the variance
    return network


def save_encoder(folder: Path, *, projected: bool) -> None:
    """A text encoder, with the names of its files and the buffer that old ones carry."""
    config = transformers.CLIPTextConfig(
        vocab_size=514,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_dim=WIDTH,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=1,
    )
    kind = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
    network = cast(Any, kind)(config)
    network.config.architectures = [kind.__name__]
    network.config.save_pretrained(folder)
    published = {}
    for name, tensor in network.state_dict().items():
        whole = name.startswith(("text_model.", "text_projection."))
        published[name if whole else f"text_model.{name}"] = tensor
    published["text_model.embeddings.position_ids"] = torch.arange(TOKENS)[None]
    _tensors(folder / "model.fp16.safetensors", published)


def save_tokenizer(folder: Path, *, pad: str) -> None:
    """CLIP's, of single letters: its 256 bytes inside and at the end of a word, two specials, and no merges."""
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters += [256 + index for index in range(256 - len(letters))]
    tokens = [chr(letter) for letter in letters] + [f"{chr(letter)}</w>" for letter in letters]
    vocabulary = {token: number for number, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    folder.mkdir(parents=True)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    _json(folder / "vocab.json", vocabulary)
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    _json(folder / "special_tokens_map.json", {**ends, "pad_token": pad})
    told = {"model_max_length": TOKENS, "do_lower_case": True, "tokenizer_class": "CLIPTokenizer"}
    _json(folder / "tokenizer_config.json", {**told, **ends, "pad_token": pad, "add_prefix_space": False})


def changed(folder: Path, part: str, change: Any) -> None:
    """Puts `change(tensors)` into the weights of a part."""
    (path,) = (folder / part).glob("*.safetensors")
    _tensors(path, change(load_file(path)))


def _tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    save_file({name: tensor.contiguous() for name, tensor in halves.items()}, path, {"format": "pt"})


def _old_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's tensors as the first files call them."""
    found = {}
    for name, tensor in tensors.items():
        for new, old in OLD_NAMES.items():
            if ".attentions." in name:
                name = name.replace(f".{new}.", f".{old}.")
        found[name] = tensor
    return found


def _json(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))

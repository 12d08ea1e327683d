"""The published networks, built from their own configurations and filled strictly from their own files.

Stock classes: `UNet2DConditionModel` and `AutoencoderKL` of diffusers, `WhisperEncoder` of transformers. They are built
without memory and take the file's tensors as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from deployments.backends.lipsync.musetalk.bisenet import BiSeNet
from deployments.backends.published.location import located
from deployments.backends.published.tensors import read_tensors
from pipeline.errors import Damaged

UNETS: Final[Mapping[str, tuple[str, str, str]]] = {
    "v15": ("musetalk-v15", "musetalkV15/musetalk.json", "musetalkV15/unet.pth"),
    "v10": ("musetalk-v10", "musetalk/musetalk.json", "musetalk/pytorch_model.bin"),
}
"""Version: published model, configuration, tensors."""

ATTENTION: Final[Mapping[str, str]] = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""What the autoencoder's file calls the parts of its attention, and what diffusers calls them now."""

WHISPER_ENCODER: Final = "model.encoder."
WHISPER_REST: Final = ("model.decoder.", "proj_out.")
"""Prefixes of what whisper-tiny's file holds; only the encoder is used."""


def unet(version: str, own: str = "") -> nn.Module:
    """MuseTalk's network: 686 tensors, 849,947,844 numbers as published."""
    from diffusers import UNet2DConditionModel

    model, configuration, weights = UNETS[version]
    folder = located(model, own)
    return _filled(folder / configuration, folder / weights, lambda known: UNet2DConditionModel(**known))


def autoencoder(own: str = "") -> nn.Module:
    """Stable Diffusion's autoencoder: 248 tensors, 83,653,863 numbers as published."""
    from diffusers import AutoencoderKL

    folder = located("sd-vae-ft-mse", own)
    weights = folder / "diffusion_pytorch_model.safetensors"
    return _filled(folder / "config.json", weights, lambda known: AutoencoderKL(**known), current)


def whisper_encoder(own: str = "") -> nn.Module:
    """Whisper's encoder: 67 tensors, 8,208,384 numbers as published."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    def build(known: dict[str, Any]) -> nn.Module:
        return WhisperEncoder(WhisperConfig(**known))

    folder = located("whisper-tiny", own)
    return _filled(folder / "config.json", folder / "model.safetensors", build, encoder_only)


def parsing(own: str = "") -> nn.Module:
    """The face parsing network: 191 tensors."""
    path = located("face-parsing-bisenet", own) / "79999_iter.pth"
    with torch.device("meta"):
        network = BiSeNet()
    return fill(network, read_tensors(path), path)


def current(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The autoencoder's tensors under the names that diffusers has now; those that have them keep them."""
    found = {}
    for name, tensor in tensors.items():
        head, _, last = name.rpartition(".")
        stem, _, part = head.rpartition(".")
        renamed = f"{stem}.{ATTENTION[part]}.{last}" if ".attentions." in name and part in ATTENTION else name
        found[renamed] = tensor
    return found


def encoder_only(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's tensors of a whole Whisper; what belongs to neither half stays, and is refused when filled in."""
    return {
        name.removeprefix(WHISPER_ENCODER): tensor
        for name, tensor in tensors.items()
        if not name.startswith(WHISPER_REST)
    }


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The network with these tensors, in evaluation mode and without gradients.

    Raises `Damaged`, code damaged_weights, where names or shapes are not exactly its own, listing them.
    """
    own = network.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in tensors]
    wrong += [f"{name} is unexpected" for name in tensors if name not in own]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    if wrong:
        more = f", and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise Damaged(
            f"{path} does not hold the tensors of {type(network).__name__}: {', '.join(wrong[:8])}{more}.",
            code="damaged_weights",
        )
    network.load_state_dict(tensors, assign=True)
    return network.eval().requires_grad_(False)


def _filled(
    configuration: Path,
    weights: Path,
    build: Callable[[dict[str, Any]], Any],
    renamed: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict,
) -> nn.Module:
    try:
        known = {
            name: value for name, value in json.loads(configuration.read_text()).items() if not name.startswith("_")
        }
        with torch.device("meta"):
            network = build(known)
    except (ValueError, TypeError, AttributeError) as error:
        raise Damaged(
            f"{configuration} is no configuration of the network: {error}.", code="damaged_weights"
        ) from error
    return fill(network, renamed(read_tensors(weights)), weights)

"""A diffusion pipeline from a folder in diffusers' layout: read strictly, put on its device, kept within its memory."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
import transformers
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as transformers_logging

from deployments.backends.avatar.diffusion.choices import SCHEDULERS, Offload, Scheduler
from deployments.backends.weights import read_ahead
from pipeline.errors import Damaged

ABSENT: Final = [None, None]
"""How diffusers writes down a part that a pipeline may have and this one has not."""

NETWORKS: Final = ("unet", "vae", "text_encoder", "text_encoder_2", "image_encoder")
"""Parts with weights."""
TOLD: Final = 8
"""Tensors that an error names."""


def load(kind: str, folder: Path, dtype: torch.dtype, command: str) -> Any:
    """The pipeline of class `kind` from `folder`, on the CPU. Nothing is fetched, and no pickle is read.

    `command` is what fetches the published files. Raises `Damaged`, code damaged_weights, for files that are not there,
    are cut off or hold other tensors than the network has, and `ValueError` for another kind of model.
    """
    index = _index(folder, command)
    if index.get("_class_name") != kind:
        raise ValueError(f"{folder} holds a {index.get('_class_name')}, not a {kind}")
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
    logging.getLogger("diffusers.models.modeling_utils").addFilter(_telling)
    parts: dict[str, Any] = {
        name: _network(folder, name, index[name], dtype, command)
        for name in NETWORKS
        if index.get(name, ABSENT) != ABSENT
    }
    if "safety_checker" in index:  # of 1.5 alone
        # It looks for what a portrait is not, and blackens what it takes for it; its weights are not among the files.
        # The feature extractor works for nothing else.
        parts |= {"safety_checker": None, "requires_safety_checker": False, "feature_extractor": None}
    try:
        pipeline = getattr(diffusers, kind).from_pretrained(folder, local_files_only=True, dtype=dtype, **parts)
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error), command) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def from_picture(pipeline: Any, kind: str) -> Any:
    """The same networks, driven from a picture by the pipeline of class `kind`."""
    settings = {
        name: pipeline.config[name]
        for name in ("requires_safety_checker", "force_zeros_for_empty_prompt")
        if name in pipeline.config
    }
    driven = getattr(diffusers, kind)(**pipeline.components, **settings)
    driven.set_progress_bar_config(disable=True)
    return driven


def _index(folder: Path, command: str) -> dict[str, Any]:
    try:
        index = json.loads((folder / "model_index.json").read_text())
    except ValueError as error:
        raise _damaged(folder, f"its model_index.json is no JSON: {error}", command) from error
    if not isinstance(index, dict):
        raise _damaged(folder, "its model_index.json is no object", command)
    return index


def _network(folder: Path, name: str, entry: Any, dtype: torch.dtype, command: str) -> Any:
    """`entry` is that of the index: a library and a class in it."""
    library, kind = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
    kind = getattr({"diffusers": diffusers, "transformers": transformers}.get(library), str(kind), None)
    if kind is None:
        raise _damaged(folder, f"its {name} is a {entry}", command)
    half = any((folder / name).glob("*.fp16.safetensors"))
    try:
        for path in (folder / name).glob("*.fp16.safetensors" if half else "*.safetensors"):
            read_ahead(path)
        network, found = kind.from_pretrained(
            folder,
            subfolder=name,
            variant="fp16" if half else None,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _damaged(folder, f"its {name} can't be read: {error}", command) from error
    wrong = [f"no {key}" for key in sorted(found["missing_keys"])]
    # Numbers from 0 up, which old files carry and newer code makes itself.
    wrong += [f"{key} too many" for key in sorted(found["unexpected_keys"]) if not key.endswith("position_ids")]
    if wrong:
        more = f" and {len(wrong) - TOLD} more" if len(wrong) > TOLD else ""
        raise _damaged(folder, f"its {name} has {', '.join(wrong[:TOLD])}{more}", command)
    return network


def _telling(record: logging.LogRecord) -> bool:
    """Not so with what diffusers says of each autoencoder that it casts, whose list of modules is empty."""
    return not record.getMessage().split(". ")[0].endswith("should be kept in float32: []")


def _damaged(folder: Path, what: str, command: str) -> Damaged:
    return Damaged(f"{folder} can't be used: {what}.", code="damaged_weights", accepted=command)


def schedule(pipeline: Any, name: Scheduler) -> None:
    """Another scheduler than the published one, with its configuration."""
    if name != "published":
        kind, changes = SCHEDULERS[name]
        pipeline.scheduler = getattr(diffusers, kind).from_config(pipeline.scheduler.config, **changes)


def adapt(pipeline: Any, files: Mapping[str, str]) -> None:
    """Loads LoRAs by name, none of them in use yet.

    Raises `ValueError` for a file that is none, that is made for another network, or that has tensors for which there
    is no place here.
    """
    for name, text in files.items():
        path = Path(text).expanduser()
        if path.suffix != ".safetensors" or not path.is_file():
            raise ValueError(f"loras.{name}: {path} is no .safetensors file")
        try:
            with safe_open(path, "pt") as file:
                held = sum(not key.endswith("alpha") for key in file.keys())  # noqa: SIM118 - it is no mapping
            with warnings.catch_warnings():
                # peft asks whether several at once are meant. They are.
                warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
                pipeline.load_lora_weights(path.parent, weight_name=path.name, adapter_name=name, local_files_only=True)
        except (KeyError, RuntimeError, ValueError, SafetensorError, OSError) as error:
            raise ValueError(f"loras.{name}: {path} does not fit this model: {error}") from error
        # Without these two lines a file for another network would pass with a warning, and change nothing.
        if (taken := _adapted(pipeline, name)) < held:
            raise ValueError(f"loras.{name}: of {held} tensors of {path}, {held - taken} have no place in this model")
    if files:
        pipeline.disable_lora()


def _adapted(pipeline: Any, name: str) -> int:
    """Tensors that a LoRA brought."""
    networks = [network for part in NETWORKS if (network := getattr(pipeline, part, None)) is not None]
    return sum(f".{name}." in f"{key}." for network in networks for key, _ in network.named_parameters())


def place(pipeline: Any, device: str, *, slicing: bool, offload: Offload) -> None:
    """Puts it where it runs. Offloading means nothing on a CPU, whose memory is the host's."""
    if slicing:
        pipeline.enable_attention_slicing()
        pipeline.vae.enable_slicing()
        pipeline.vae.enable_tiling()
    if device != "cpu":
        for network in (pipeline.unet, pipeline.vae):
            network.to(memory_format=torch.channels_last)  # as cards like their convolutions
    if offload == "none" or device == "cpu":
        pipeline.to(device)
    elif offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)

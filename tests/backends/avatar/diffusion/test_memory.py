"""What each hardware profile makes of Stable Diffusion: where its networks lie, in which numbers, in what pieces.

No card is there: diffusers' and accelerate's own hooks are put on for one, and not run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from accelerate.hooks import AlignDevicesHook, CpuOffload
from diffusers.models.attention_processor import SlicedAttnProcessor

from deployments.backends import registry
from deployments.backends.avatar.diffusion import loading
from deployments.backends.avatar.diffusion.backend import StableDiffusion15
from deployments.backends.precision import chosen
from pipeline.cascade import resolve
from pipeline.settings import Profile, Settings

CARD = "cuda:0"
NOWHERE = "meta:0"
"""What stands for a card where buffers are moved to it at once: nothing lies there."""
ROW = registry.find("avatar", "sd15")


def made(folder: Path, settings: Settings, card: str = CARD) -> Any:
    """The pipeline as the settings have it on a card, but for that move itself where nothing is offloaded."""
    options = registry.configured(ROW, settings)
    kind = StableDiffusion15.KIND
    pipeline = loading.load(kind, folder, chosen(options["precision"], "cpu"), "")
    place = card if options["offload"] != "none" else "cpu"
    loading.place(pipeline, place, slicing=options["slicing"], offload=options["offload"])
    return pipeline


def sliced(pipeline: Any) -> tuple[bool, bool, bool]:
    """Whether the UNet attends, and the autoencoder decodes, in pieces: by picture, and by tile."""
    attends = {isinstance(processor, SlicedAttnProcessor) for processor in pipeline.unet.attn_processors.values()}
    assert len(attends) == 1
    return attends.pop(), pipeline.vae.use_slicing, pipeline.vae.use_tiling


@pytest.mark.parametrize("profile", get_args(Profile))
def test_a_profile_says_how_much_memory_it_may_take(sd15: Path, profile: Profile) -> None:
    settings = resolve({"profile": profile}, {})
    options = registry.configured(ROW, settings)
    small = profile == "small"
    assert (options["slicing"], options["offload"]) == (profile in ("small", "standard"), "model" if small else "none")
    assert options["image_size"] == {"small": 384, "high": 768}.get(profile, 512)
    assert options["steps"] == {"high": 50, "standard": 40}.get(profile, 25)
    pipeline = made(sd15, settings)
    assert sliced(pipeline) == (options["slicing"],) * 3
    for network in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        hook: Any = getattr(network, "_hf_hook", None)
        assert isinstance(hook, CpuOffload) == small
        assert not small or hook.execution_device == torch.device(CARD)
        assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


def test_offloaded_one_layer_after_the_other(sd15: Path) -> None:
    """Nothing of a network stays on the card: each layer is fetched for its own step."""
    pipeline = made(sd15, resolve({"generation": {"offload": "sequential"}}, {}), NOWHERE)
    assert sliced(pipeline) == (False,) * 3
    for network in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        layers = [layer for layer in network.modules() if next(layer.parameters(recurse=False), None) is not None]
        hooks = [layer._hf_hook for layer in layers]
        assert all(isinstance(hook, AlignDevicesHook) and hook.offload for hook in hooks)
        assert {hook.execution_device for hook in hooks} == {torch.device(NOWHERE)}


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_numbers_are_those_of_the_settings(sd15: Path, precision: str, dtype: torch.dtype) -> None:
    pipeline = made(sd15, resolve({"generation": {"precision": precision}}, {}))
    for network in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        assert {parameter.dtype for parameter in network.parameters()} == {dtype}


def test_numbers_of_a_card_are_half_as_long() -> None:
    assert chosen("auto", "cuda:0") == torch.float16
    assert chosen("auto", "cpu") in (torch.float32, torch.bfloat16)

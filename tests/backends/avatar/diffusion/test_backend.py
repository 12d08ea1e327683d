"""Stable Diffusion in small: what decides a picture, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from deployments.backends.avatar.diffusion.backend import StableDiffusion, StableDiffusion15, StableDiffusionXL
from deployments.backends.avatar.diffusion.choices import Scheduler
from deployments.backends.avatar.diffusion.styles import STYLES
from pipeline.contracts import Picture, PortraitRequest
from pipeline.errors import InvalidRequest, MouthpieceError, UnknownName
from pipeline.models import AvatarModel
from tests.backends.avatar.diffusion.published import save

SMALL: dict[str, Any] = {"steps": 2, "threads": 1, "precision": "float32"}


def asked(prompt: str = "a woman", **fields: Any) -> PortraitRequest:
    values: dict[str, Any] = {"size": 128, "seed": 3, **fields}
    return PortraitRequest(prompt, **values)


def apart(first: Picture, second: Picture) -> float:
    """Mean difference in levels."""
    return float(np.abs(first.astype(int) - second).mean())


@pytest.fixture(scope="module")
def small(sd15: Path) -> StableDiffusion:
    return StableDiffusion15(weights=str(sd15), image_size=64, **SMALL)


@pytest.fixture(scope="module")
def large(sdxl: Path) -> StableDiffusion:
    return StableDiffusionXL(weights=str(sdxl), side=64, **SMALL)


@pytest.fixture(params=["sd15", "sdxl"])
def model(request: pytest.FixtureRequest, small: StableDiffusion, large: StableDiffusion) -> StableDiffusion:
    return small if request.param == "sd15" else large


def test_the_same_request_is_the_same_picture_whatever_came_before(model: StableDiffusion) -> None:
    first = model.draw(asked())
    assert isinstance(model, AvatarModel)
    assert (first.shape, first.dtype) == ((128, 128, 3), np.uint8)
    others = {
        "seed": model.draw(asked(seed=4)),
        "prompt": model.draw(asked("a man")),
        "negative_prompt": model.draw(asked(negative_prompt="hat")),
        "style": model.draw(asked(style="painting")),
        "steps": model.draw(asked(steps=3)),
        "guidance": model.draw(asked(guidance=1.5)),
        "image": model.draw(asked(image=first)),
    }
    assert np.array_equal(model.draw(asked()), first)
    assert {name for name, other in others.items() if np.array_equal(other, first)} == set()


def test_sizes_show_the_same_picture(small: StableDiffusion) -> None:
    large, same = small.draw(asked(size=256)), small.draw(asked(size=128))
    assert apart(large.reshape(128, 2, 128, 2, 3).mean((1, 3)).astype(np.uint8), same) < 4


def test_the_loop_is_the_published_one(sd15: Path) -> None:
    """Text to picture with DDIM (Song et al. 2020, equation 12 with no noise) and classifier-free guidance, computed
    here with the networks alone."""
    model = StableDiffusion15(weights=str(sd15), image_size=64, scheduler="ddim", style="none", **SMALL)
    drawn = model.draw(asked(steps=4, guidance=5.0, negative_prompt="hat"))
    parts = model._pipeline

    def encoded(text: str) -> torch.Tensor:
        tokens = parts.tokenizer(text, padding="max_length", max_length=parts.tokenizer.model_max_length)
        return parts.text_encoder(torch.tensor([tokens.input_ids]))[0]

    beta = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    signal = torch.cumprod(1 - beta, 0)
    with torch.inference_mode():
        words = torch.cat([encoded("hat"), encoded("a woman")])
        latent = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(3)).double()
        for time in (751, 501, 251, 1):
            predicted = parts.unet(torch.cat([latent, latent]).float(), time, words).sample.double()
            noise = predicted[:1] + 5.0 * (predicted[1:] - predicted[:1])
            clean = (latent - (1 - signal[time]).sqrt() * noise) / signal[time].sqrt()
            after = signal[time - 250] if time > 250 else signal[0]
            latent = after.sqrt() * clean + (1 - after).sqrt() * noise
        picture = parts.vae.decode(latent.float() / 0.18215).sample[0].permute(1, 2, 0)
    own = np.round(np.clip(picture.numpy() / 2 + 0.5, 0, 1) * 255)
    # 64 pixels, shown in 128: compared where the enlarged picture is averaged back.
    shown = model.draw(asked(steps=4, guidance=5.0, negative_prompt="hat", size=64 * 2))
    assert np.array_equal(shown, drawn)
    from deployments.backends.avatar.diffusion.backend import _resized

    assert np.abs(_resized(own.astype(np.uint8), 128).astype(int) - drawn).max() <= 2


@pytest.mark.parametrize("name", get_args(Scheduler))
def test_every_scheduler_ends_at_a_picture_of_its_own(sd15: Path, name: Any) -> None:
    model = StableDiffusion15(weights=str(sd15), image_size=64, scheduler=name, **SMALL)
    drawn = model.draw(asked(steps=4))
    assert drawn.std() > 1
    assert np.array_equal(model.draw(asked(steps=4)), drawn)
    config = model._pipeline.scheduler.config
    assert (config.beta_start, config.beta_end, config.beta_schedule) == (0.00085, 0.012, "scaled_linear")
    assert config.num_train_timesteps == 1000


def test_styles(small: StableDiffusion) -> None:
    pictures = [small.draw(asked(style=name)) for name in STYLES]
    assert len({picture.tobytes() for picture in pictures}) == len(STYLES)
    none = StableDiffusion15(weights=small._pipeline.config._name_or_path, image_size=64, style="none", **SMALL)
    assert np.array_equal(none.draw(asked()), pictures[list(STYLES).index("none")])
    whole = asked(style="none", prompt=STYLES["photo"].prompt("a woman"), negative_prompt=STYLES["photo"].negative)
    assert np.array_equal(small.draw(whole), pictures[list(STYLES).index("photo")])


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
def test_a_photo_is_kept_as_far_as_strength_says(tmp_path: Path, astronaut: Picture, kind: Any) -> None:
    folder = str(save(tmp_path / kind, kind, faithful=True))
    classes: dict[str, Callable[..., StableDiffusion]] = {
        "sd15": lambda: StableDiffusion15(weights=folder, image_size=64, **SMALL),
        "sdxl": lambda: StableDiffusionXL(weights=folder, side=64, **SMALL),
    }
    model = classes[kind]()
    begun = asked(size=128, steps=20, image=astronaut[:, 20:])
    near, middle, far = (model.draw(replace(begun, strength=strength)) for strength in (0.05, 0.5, 1.0))
    import cv2

    square = cv2.resize(cv2.resize(astronaut[10:502, 20:], (64, 64), interpolation=cv2.INTER_AREA), (128, 128))

    def likeness(picture: Picture) -> float:
        return float(np.corrcoef(picture.ravel(), square.ravel())[0, 1])

    assert likeness(near) > 0.9
    assert likeness(near) > likeness(middle) > likeness(far)
    assert likeness(far) < 0.3


def test_memory_options_change_how_it_is_drawn_and_not_what(small: StableDiffusion, sd15: Path) -> None:
    folder = str(sd15)
    sliced = StableDiffusion15(weights=folder, image_size=64, slicing=True, offload="sequential", **SMALL)
    assert apart(sliced.draw(asked()), small.draw(asked())) < 0.1
    options: dict[str, Any] = {**SMALL, "precision": "bfloat16"}
    halved = StableDiffusion15(weights=folder, image_size=64, **options)
    assert halved._pipeline.unet.dtype == torch.bfloat16
    assert apart(halved.draw(asked()), small.draw(asked())) < 6


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"size": 64}, "size"),
        ({"size": 2000}, "size"),
        ({"seed": -1}, "seed"),
        ({"steps": 0}, "steps"),
        ({"guidance": 31.0}, "guidance"),
        ({"strength": 0.5}, "strength"),
        ({"strength": 1.5, "image": np.zeros((64, 64, 3), np.uint8)}, "strength"),
        ({"strength": 0.4, "steps": 2, "image": np.zeros((64, 64, 3), np.uint8)}, "strength"),
        ({"style": "baroque"}, "style"),
        ({"loras": {"warm": 1.0}}, "loras"),
        ({"prompt": "long " * 80}, "prompt"),
        ({"negative_prompt": "long " * 90}, "negative_prompt"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_field(model: StableDiffusion, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        model.draw(asked(**fields))
    assert refused.value.field == field
    assert refused.value.accepted


def test_a_text_of_just_so_many_tokens_is_read(small: StableDiffusion) -> None:
    limit = small._pipeline.tokenizer.model_max_length - 2  # without start and end; a letter is a token here
    small.draw(asked("a" * limit, style="none"))
    with pytest.raises(InvalidRequest) as refused:
        small.draw(asked("a" * (limit + 1), style="none"))
    assert (refused.value.code, refused.value.field) == ("too_long", "prompt")
    assert "1 tokens less" in str(refused.value.accepted)


def test_names_that_there_are_not_are_answered_with_those_that_there_are(small: StableDiffusion) -> None:
    with pytest.raises(UnknownName) as refused:
        small.draw(asked(style="baroque"))
    assert "painting" in str(refused.value.accepted).split(", ")


def test_a_picture_that_overflowed_is_no_picture(small: StableDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    bias = small._pipeline.vae.decoder.conv_out.bias
    kept = bias.clone()
    try:
        with torch.no_grad():
            bias.fill_(float("nan"))
        with pytest.raises(FloatingPointError):
            small.draw(asked())
    finally:
        with torch.no_grad():
            bias.copy_(kept)


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 100},
        {"image_size": 32},
        {"threads": 0},
        {"steps": 0},
        {"guidance": 40.0},
        {"style": "baroque"},
        {"lora_weights": {"warm": 1.0}},
        {"loras": {"no.dots": "a.safetensors"}},
        {"loras": {"warm": "nowhere.safetensors"}},
        {"loras": {"warm": "pickle.bin"}},
        {"weights": "SDXL"},
    ],
)
def test_options_that_do_not_hold(sd15: Path, sdxl: Path, options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"weights": str(sd15), **SMALL, **options}
    if given["weights"] == "SDXL":
        given["weights"] = str(sdxl)
    with pytest.raises(ValueError) as refused:
        StableDiffusion15(**given)
    assert not isinstance(refused.value, MouthpieceError)

"""avatar-sd15 and avatar-sdxl: portraits by Stable Diffusion, from words or from a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import cv2
import numpy as np

from deployments.backends import device
from deployments.backends.avatar.diffusion.choices import Offload, Scheduler
from deployments.backends.avatar.diffusion.styles import STYLES
from deployments.backends.precision import Precision, chosen
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from pipeline.contracts import Picture, PortraitRequest
from pipeline.errors import InvalidRequest, MissingWeights, UnknownName

SIZES: Final = (128, 1536)
GUIDANCE: Final = (0.0, 30.0)
STEPS: Final = (1, 1000)
WEIGHTS: Final = (-2.0, 2.0)
"""What a request may ask for, from and to."""
STRENGTH: Final = 0.6
"""How much of a picture is drawn anew where the request doesn't say: the pose stays, the looks may change."""
LORA: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
"""Names of LoRAs: peft makes parts of module names of them."""


class StableDiffusion:
    """What both have in common; implements `pipeline.models.AvatarModel`.

    - `weights`: a folder of one's own in diffusers' layout, a fine-tuned model for example; safetensors, whole or in
      half precision.
    - `image_size`, of SDXL `side`: pixels a side that the network draws at, a multiple of 8; the picture is brought to
      the size asked for.
    - `scheduler`: `published` is the one of the weights; the others take over its configuration.
    - `steps`, `guidance`, `style`, `negative_prompt`: where the request names none.
    - `loras`: safetensors files by the names that requests call them by; `lora_weights`: those that are used, and how
      much, where the request names none.
    - `precision`, `slicing`, `offload`: as in the settings under `generation`. `threads` are those of a CPU.

    The same request gives the same picture on the same machine: the noise is drawn on the CPU, by the seed.
    """

    KIND: ClassVar[str]
    """Class in diffusers."""
    FROM_PICTURE: ClassVar[str]
    """The one that begins with a picture."""
    MODEL: ClassVar[str]
    """Name of the published model."""

    def __init__(
        self,
        *,
        weights: str,
        image_size: int,
        steps: int,
        guidance: float,
        style: str,
        negative_prompt: str,
        scheduler: Scheduler,
        loras: Mapping[str, str] | None,
        lora_weights: Mapping[str, float] | None,
        precision: Precision,
        slicing: bool,
        offload: Offload,
        threads: int,
    ) -> None:
        """Raises `MissingWeights`, `Damaged`, and `ValueError` about the other options."""
        if image_size % 8 or not 64 <= image_size <= 2048:
            raise ValueError(f"image_size is {image_size}, not a multiple of 8 from 64 to 2048")
        if threads < 1:
            raise ValueError(f"threads is {threads}, not at least 1")
        for name, value, (least, most) in (("steps", steps, STEPS), ("guidance", guidance, GUIDANCE)):
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}, not from {least} to {most}")
        if style not in STYLES:
            raise ValueError(f"style is {style!r}, not one of {', '.join(STYLES)}")
        for name in loras or {}:
            if not LORA.fullmatch(name):
                raise ValueError(f"loras.{name}: a name is letters, digits, - and _, at most 60, a letter first")
        for name, weight in (lora_weights or {}).items():
            if name not in (loras or {}):
                raise ValueError(f"lora_weights.{name}: there is no file of that name in loras")
            if not WEIGHTS[0] <= weight <= WEIGHTS[1]:
                raise ValueError(f"lora_weights.{name} is {weight}, not from {WEIGHTS[0]:g} to {WEIGHTS[1]:g}")
        folder = own_folder(self.MODEL, weights) if weights else located(self.MODEL)
        import torch

        from deployments.backends.avatar.diffusion import loading

        card = device.current().name
        if card == "cpu":
            torch.set_num_threads(threads)
        pipeline = loading.load(self.KIND, folder, chosen(precision, card), find(self.MODEL).command)
        loading.schedule(pipeline, scheduler)
        loading.adapt(pipeline, loras or {})
        loading.place(pipeline, card, slicing=slicing, offload=offload)
        self._pipeline = pipeline
        self._from_picture = loading.from_picture(pipeline, self.FROM_PICTURE)
        self._loras = frozenset(loras or {})
        self._lora_weights = dict(lora_weights or {})
        self._side = image_size
        self._steps, self._guidance, self._style = steps, guidance, style
        self._negative_prompt = negative_prompt

    def draw(self, request: PortraitRequest) -> Picture:
        """(size, size, 3) uint8 RGB. Whether there is a usable face in it is for a `FaceModel` to say.

        Raises `InvalidRequest` for what is out of range, or longer than the network reads; `UnknownName` for a style
        or a LoRA that it does not have.
        """
        check(request)
        style = STYLES.get(request.style or self._style)
        if style is None:
            raise UnknownName.of("style", request.style or "", STYLES)
        prompt, negative = style.prompt(request.prompt), style.without(request.negative_prompt or self._negative_prompt)
        self._readable("prompt", prompt)
        self._readable("negative_prompt", negative)
        self._adapt(request.loras)
        import torch

        steps = self._steps if request.steps is None else request.steps
        asked: dict[str, Any] = {
            "prompt": prompt,
            "negative_prompt": negative or None,
            "num_inference_steps": steps,
            "guidance_scale": self._guidance if request.guidance is None else request.guidance,
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "output_type": "np",
        }
        with torch.inference_mode():
            if request.image is None:
                made = self._pipeline(width=self._side, height=self._side, **asked)
            else:
                strength = STRENGTH if request.strength is None else request.strength
                if int(steps * strength) < 1:
                    raise InvalidRequest(
                        f"{steps} steps at a strength of {strength:g} leave none to draw.",
                        field="strength",
                        accepted=f"at least {1 / steps:g}, or more steps",
                    )
                made = self._from_picture(image=_shown(request.image, self._side), strength=strength, **asked)
                self._pipeline.maybe_free_model_hooks()  # which knows what is offloaded; the other one does not
        return _sized(made.images[0], request.size)

    def _readable(self, field: str, text: str) -> None:
        for name in ("tokenizer", "tokenizer_2"):
            tokenizer = getattr(self._pipeline, name, None)
            if tokenizer is None:
                continue
            limit, count = tokenizer.model_max_length, len(tokenizer(text, truncation=False).input_ids)
            if count > limit:
                raise InvalidRequest(
                    f"The {field}, with the words of the style, is {count} tokens long; the network reads {limit}.",
                    code="too_long",
                    field=field,
                    accepted=f"{count - limit} tokens less, about as many words, or the style none",
                )

    def _adapt(self, asked: Mapping[str, float] | None) -> None:
        wanted = self._lora_weights if asked is None else asked
        for name in wanted:
            if name not in self._loras:
                raise UnknownName.of("LoRA", name, self._loras, field="loras")
        if not self._loras:
            return
        if wanted:
            self._pipeline.enable_lora()
            # By name: in which order they are added up must not depend on how the request was written.
            names = sorted(wanted)
            self._pipeline.set_adapters(names, adapter_weights=[wanted[name] for name in names])
        else:
            self._pipeline.disable_lora()


class StableDiffusion15(StableDiffusion):
    """Stable Diffusion 1.5, and models fine-tuned from it: drawn at 512 pixels or near it."""

    KIND, FROM_PICTURE, MODEL = "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "sd15"

    def __init__(
        self,
        *,
        weights: str = "",
        image_size: int = 512,
        steps: int = 25,
        guidance: float = 7.0,
        style: str = "photo",
        negative_prompt: str = "",
        scheduler: Scheduler = "dpm++",
        loras: dict[str, str] | None = None,
        lora_weights: dict[str, float] | None = None,
        precision: Precision = "auto",
        slicing: bool = False,
        offload: Offload = "none",
        threads: int = 2,
    ) -> None:
        super().__init__(
            weights=weights,
            image_size=image_size,
            steps=steps,
            guidance=guidance,
            style=style,
            negative_prompt=negative_prompt,
            scheduler=scheduler,
            loras=loras,
            lora_weights=lora_weights,
            precision=precision,
            slicing=slicing,
            offload=offload,
            threads=threads,
        )


class StableDiffusionXL(StableDiffusion):
    """Stable Diffusion XL, and models fine-tuned from it: drawn at `side`, 1024 pixels, whatever the profile says."""

    KIND, FROM_PICTURE, MODEL = "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "sdxl"

    def __init__(
        self,
        *,
        weights: str = "",
        side: int = 1024,
        steps: int = 30,
        guidance: float = 6.0,
        style: str = "photo",
        negative_prompt: str = "",
        scheduler: Scheduler = "dpm++",
        loras: dict[str, str] | None = None,
        lora_weights: dict[str, float] | None = None,
        precision: Precision = "auto",
        slicing: bool = False,
        offload: Offload = "none",
        threads: int = 2,
    ) -> None:
        super().__init__(
            weights=weights,
            image_size=side,
            steps=steps,
            guidance=guidance,
            style=style,
            negative_prompt=negative_prompt,
            scheduler=scheduler,
            loras=loras,
            lora_weights=lora_weights,
            precision=precision,
            slicing=slicing,
            offload=offload,
            threads=threads,
        )


def check(request: PortraitRequest) -> None:
    """Raises `InvalidRequest` naming the field."""
    weights = [("loras", value, *WEIGHTS) for value in (request.loras or {}).values()]
    for field, value, least, most in (
        ("size", request.size, *SIZES),
        ("seed", request.seed, 0, 2**63 - 1),
        ("steps", request.steps, *STEPS),
        ("guidance", request.guidance, *GUIDANCE),
        ("strength", request.strength, 0.0, 1.0),
        *weights,
    ):
        if value is not None and not least <= value <= most:
            raise InvalidRequest(f"{field} is {value}.", field=field, accepted=f"{least} to {most}")
    if request.strength is not None and request.image is None:
        raise InvalidRequest(
            "strength says how much of an image is drawn anew, and there is no image.",
            field="strength",
            accepted="strength with image",
        )


def own_folder(model: str, text: str) -> Path:
    """A folder of the user's own. Raises `MissingWeights` where there is no model in it."""
    folder = Path(text).expanduser()
    if not (folder / "model_index.json").is_file():
        raise MissingWeights(
            f"{folder} is no folder with a model for diffusers: model_index.json is missing.",
            accepted=f"a folder in diffusers' layout, or without one: {find(model).command}",
        )
    return folder


def _shown(picture: Picture, side: int) -> Any:
    """The middle square of a picture, (side, side), as diffusers takes it."""
    from PIL import Image

    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return Image.fromarray(_resized(picture[top : top + short, left : left + short], side))


def _sized(image: np.ndarray, size: int) -> Picture:
    """(size, size, 3) uint8 from (side, side, 3) in 0..1."""
    if not np.isfinite(image).all():
        # Half precision can't hold what some autoencoders compute with. Black would be no answer.
        raise FloatingPointError("the picture overflowed; precision bfloat16 or float32 holds more")
    return _resized(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8), size)


def _resized(picture: Picture, side: int) -> Picture:
    if picture.shape[0] == side:
        return np.ascontiguousarray(picture)
    way = cv2.INTER_AREA if side < picture.shape[0] else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (side, side), interpolation=way), np.uint8)

"""motion-svd: Stable Video Diffusion brings a picture to life, and a camera moves over what it makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np

from deployments.backends import device
from deployments.backends.avatar.diffusion.choices import Offload
from deployments.backends.motion.camera import views
from deployments.backends.motion.kenburns import KenBurns, drawing
from deployments.backends.motion.svd.chaining import Pictures, chained
from deployments.backends.motion.svd.conditioning import Motion, canvas, drawn_size, shown
from deployments.backends.motion.svd.interpolation import interpolated
from deployments.backends.precision import Precision, chosen
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from pipeline.contracts import Frames, MotionRequest, Picture

MODEL: Final = "svd-xt"
DECODED: Final = 4
"""Frames decoded at once where nothing says how much memory there is."""


class StableVideo:
    """Implements `pipeline.models.MotionModel`.

    The network moves what is in the picture, as much as `strength` says (its motion bucket and noise). It takes no
    orders about the camera: `camera` is a camera like motion-kenburns' over the frames that it makes. Options:

    - `weights`: a folder of one's own in diffusers' layout.
    - `pixels`: how many a frame has that the network draws, about; its shape is that of the frames asked for.
    - `clip_frames`: frames of a clip. `overlap`: how many of them the next clip has as well, faded into each other.
    - `rate`: frames a second that the network is told and its frames are shown at; others are made between them.
    - `steps`, `guidance`: denoising steps, and how strictly the last frame of a clip keeps to the picture.
    - `decode_frames`: frames decoded at once: the fewer, the less of the card is needed. The autoencoder smooths over
      those, so the film depends on it. 0 is as many as fit into what the weights leave of the card's part that is
      reserved (`decoding`), or 4 where nothing is reserved.
    - `precision`, `slicing`, `offload`: as in the settings under `generation`. `threads` are those of a CPU.

    The same request gives the same film on the same machine: the noise is drawn on the CPU, by the seed.
    """

    def __init__(
        self,
        *,
        weights: str = "",
        pixels: int = 1024 * 576,
        clip_frames: int = 25,
        overlap: int = 4,
        rate: int = 7,
        steps: int = 25,
        guidance: float = 3.0,
        decode_frames: int = 0,
        precision: Precision = "auto",
        slicing: bool = False,
        offload: Offload = "none",
        threads: int = 2,
    ) -> None:
        """Raises `MissingWeights`, `Damaged`, and `ValueError` about the other options."""
        for name, value, least, most in (
            ("pixels", pixels, 64 * 64, 2048 * 2048),
            ("clip_frames", clip_frames, 2, 100),
            ("overlap", overlap, 1, clip_frames // 2),
            ("rate", rate, 2, 30),
            ("steps", steps, 1, 1000),
            ("guidance", guidance, 1, 30),
            ("decode_frames", decode_frames, 0, 100),
            ("threads", threads, 1, 1024),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} is {value}, not from {least} to {most}")
        folder = located(MODEL, weights)
        import torch

        from deployments.backends.avatar.diffusion import loading
        from deployments.backends.motion.svd.decoding import Decoding

        here = device.current()
        card = here.name
        if card == "cpu":
            torch.set_num_threads(threads)
        kind = chosen(precision, card)
        self._pipeline = loading.load("StableVideoDiffusionPipeline", folder, kind, find(MODEL).command)
        if slicing:
            self._pipeline.unet.enable_forward_chunking()
        loading.place(self._pipeline, card, slicing=False, offload=offload)
        # Looked at once: what there is besides the weights later on, or another time, would make another film.
        self._room = here.free
        self._decoding = Decoding(self._pipeline.vae, kind, clip_frames)
        self._decode_frames = 1 if slicing else decode_frames
        self._pixels, self._overlap, self._rate = pixels, overlap, Fraction(rate)
        self._asked: dict[str, Any] = {
            "num_frames": clip_frames,
            "fps": rate,
            "num_inference_steps": steps,
            "max_guidance_scale": guidance,
            "output_type": "np",
        }

    def move(self, request: MotionRequest) -> Iterator[Frames]:
        """As `MotionModel` says. Of strength 0 it is the same frame again and again."""
        if request.strength == 0:
            yield from KenBurns().move(request)
            return
        size = drawn_size(request.width, request.height, self._pixels)
        motion = Motion.of(request.strength)

        def clip(picture: Picture, number: int) -> Pictures:
            return self._clip(picture, motion, request.seed + number)

        clips = chained(clip, shown(request, size), self._overlap)
        pictures = interpolated(clips, self._rate, request.fps, request.frame_count)
        run = max(1, round(request.fps / 2))
        planes: list[np.ndarray] = []
        for number, frame in enumerate(_filmed(request, pictures)):
            planes.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420), np.uint8))
            if len(planes) == run or number == request.frame_count - 1:
                yield Frames(number + 1 - len(planes), np.stack(planes))
                planes = []

    def _clip(self, picture: Picture, motion: Motion, seed: int) -> Pictures:
        """One clip that begins with the picture, at the picture's size."""
        import torch
        from PIL import Image

        height, width = picture.shape[:2]
        with torch.inference_mode():
            made = self._pipeline(
                image=Image.fromarray(picture),
                width=width,
                height=height,
                motion_bucket_id=motion.bucket,
                noise_aug_strength=motion.noise,
                generator=torch.Generator("cpu").manual_seed(seed % 2**63),
                decode_chunk_size=self._decoded_at_once(height, width),
                **self._asked,
            )
        return np.asarray(made.frames[0], np.float32) * 255

    def _decoded_at_once(self, height: int, width: int) -> int:
        if self._decode_frames:
            return self._decode_frames
        return DECODED if self._room is None else self._decoding.most(height, width, self._room)


def _filmed(request: MotionRequest, pictures: Iterator[Picture]) -> Iterator[Picture]:
    """The pictures as the camera sees them, (height, width, 3) of the request's frames."""
    first: MotionRequest | None = None
    looks = iter(())
    for picture in pictures:
        height = picture.shape[0]
        width = round(height * request.width / request.height)
        if width != picture.shape[1]:  # sides that the network draws are rounded
            picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_LANCZOS4), np.uint8)
        if first is None:
            first = canvas(request, picture)
            looks = views(first)
        yield drawing(replace(first, picture=picture))(next(looks))

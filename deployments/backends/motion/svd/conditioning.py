"""How a request is put to Stable Video Diffusion: how much is to move, at what size it draws, what it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from deployments.backends.motion.camera import views
from pipeline.contracts import MotionRequest, Picture

BUCKET: Final = 127
"""The motion bucket of natural motion: the default of Stability's own code and of diffusers. They go from 1 to 255."""
NOISE: Final = 0.02
"""Noise added to the picture, of natural motion: the default again. More lets the film leave the picture further."""
MORE_NOISE: Final = 0.06
"""Added to that at a strength of 2."""
STEP: Final = 64
"""Pixels that sides are multiples of: eight of the autoencoder, eight of the UNet's levels."""


@dataclass(frozen=True, slots=True)
class Motion:
    """The numbers that the network is conditioned on."""

    bucket: int
    """1 to 255: how much moves."""
    noise: float
    """Standard deviation of the noise on a picture in -1 to 1."""

    @classmethod
    def of(cls, strength: float) -> Motion:
        """Of a strength of more than 0 up to 2: buckets follow it evenly, noise rises above 1."""
        bucket = min(max(round(BUCKET * strength), 1), 255)
        return cls(bucket, NOISE + MORE_NOISE * max(0.0, strength - 1.0))


def drawn_size(width: int, height: int, pixels: int) -> tuple[int, int]:
    """Width and height that the network draws frames of this shape in: multiples of 64, about so many pixels in all."""
    ratio = width / height
    tall = math.sqrt(pixels / ratio)
    return max(STEP, STEP * round(tall * ratio / STEP)), max(STEP, STEP * round(tall / STEP))


def canvas(request: MotionRequest, picture: Picture) -> MotionRequest:
    """The request for a camera over `picture`, which shows what of the request's picture has the frames' shape."""
    height, width = request.picture.shape[:2]
    (view,) = views(replace(request, camera="still", frame_count=1))
    across = (request.focus[0] * width - view.x) / view.width
    down = (request.focus[1] * height - view.y) / view.height
    return replace(request, picture=picture, focus=(min(max(across, 0.0), 1.0), min(max(down, 0.0), 1.0)))


def shown(request: MotionRequest, size: tuple[int, int]) -> Picture:
    """(height, width, 3): as much of the picture as has the frames' shape, at the network's size."""
    from PIL import Image

    (view,) = views(replace(request, camera="still", frame_count=1))
    height, width = request.picture.shape[:2]
    box = (view.x, view.y, min(view.x + view.width, width), min(view.y + view.height, height))
    picture = Image.fromarray(np.ascontiguousarray(request.picture))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS, box=box))

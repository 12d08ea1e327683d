"""A photographed face for the renderer's tests: found once, cut to the square that talks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from deployments.backends.face.mediapipe import MediapipeFace
from pipeline.contracts import AnimationRequest, Face, Picture, Speech
from tests.backends.lipsync.speech import clip


@lru_cache(maxsize=1)
def photo() -> tuple[Picture, Face]:
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut())
    return picture, MediapipeFace().locate(picture)


@lru_cache(maxsize=1)
def spoken() -> Speech:
    """About three seconds with wide vowels and closed lips."""
    return clip("Mama buys a pie for papa, oh how far we move.", "en-us")


def request(**options: object) -> AnimationRequest:
    picture, face = photo()
    return AnimationRequest(picture, face, options.pop("speech", spoken()), **options)  # ty: ignore

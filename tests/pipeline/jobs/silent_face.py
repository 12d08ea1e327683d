"""A face for live sessions without models or a store: whoever derives from it says what is spoken."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pipeline.contracts import AnimationRequest, CodedStretch, Encoding, Face, Speech, StretchRequest
from pipeline.settings import Settings
from tests.pipeline.jobs.works import CountedModels


class SilentFace:
    """All of `pipeline.jobs.live_face.LiveFace` but `spoken`; its stretches are those of `CountedModels`."""

    settings = Settings()
    fps = Fraction(25)
    size = 128
    language = "en"

    def __init__(self) -> None:
        self.models = CountedModels()

    async def portrait(self) -> AnimationRequest:
        face = Face(np.full((478, 3), 5, np.float32), (1, 1, 9, 9), 0, 0, 0, 1, (0, 0, 128))
        picture = np.full((128, 128, 3), 7, np.uint8)
        return AnimationRequest(picture, face, Speech(np.zeros(0, np.float32), 1, None, "en"), 128, self.fps)

    async def stretch(self, request: StretchRequest) -> CodedStretch:
        return await self.models.stretch("counted", request, Encoding("mp4", "superfast", 20, even=True))

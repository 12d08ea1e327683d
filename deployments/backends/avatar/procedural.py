"""Portraits drawn by the program itself: no model, no download, any seed."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.backends.avatar.portrait.casting import cast
from deployments.backends.avatar.portrait.painter import paint
from deployments.backends.avatar.portrait.prompt import understood
from pipeline.contracts import Picture, PortraitRequest
from pipeline.errors import InvalidRequest

__all__ = ["Procedural", "understood"]

_SMALLEST, _LARGEST = 128, 1536


class Procedural:
    """Paints one person who looks at the viewer with closed lips, from a prompt and a seed.

    The prompt decides what it names in words that `understood` knows; the seed decides the rest, so any prompt
    works, the empty one too, and the same seed is the same person. The picture is the same at every size.
    """

    def draw(self, request: PortraitRequest) -> Picture:
        """(size, size, 3) uint8 RGB. Raises `InvalidRequest` for a size outside 128..1536, a negative seed, and options
        that only a network could honour."""
        for name in request.options():
            raise InvalidRequest(
                f"avatar-procedural draws by rules, and has no use for {name}.",
                code="not_honoured",
                field=name,
                accepted="prompt, size and seed, or another avatar backend",
            )
        if not _SMALLEST <= request.size <= _LARGEST:
            raise InvalidRequest(
                f"A portrait of {request.size} pixels can't be drawn.",
                field="size",
                accepted=f"{_SMALLEST} to {_LARGEST} pixels",
            )
        if request.seed < 0:
            raise InvalidRequest(f"The seed {request.seed} is negative.", field="seed", accepted="0 or more")
        sheet = paint(cast(request.prompt, request.seed))
        side = len(sheet)
        if request.size != side:
            way = cv2.INTER_AREA if request.size < side else cv2.INTER_CUBIC
            sheet = cv2.resize(sheet, (request.size, request.size), interpolation=way)
        return np.ascontiguousarray(np.round(np.clip(sheet, 0, 1) * 255).astype(np.uint8))

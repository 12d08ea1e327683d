"""From a picture to the part of it that will talk, and where its face is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import numpy as np

from pipeline.contracts import Face, Picture
from pipeline.media.image import decode_picture
from pipeline.models import Models
from pipeline.recent import Recent
from pipeline.storage.parcels import Portrait

REMEMBERED: Final = 128 << 20
"""Bytes of the portraits used last that are kept: two of the largest, dozens of common ones."""


class Locator:
    """Decodes pictures, finds their faces and cuts them to the portrait. Remembers the last few."""

    def __init__(self, models: Models, max_pixels: int) -> None:
        self._models = models
        self._max_pixels = max_pixels
        self._recent: Recent[Portrait] = Recent(REMEMBERED)

    async def photo(self, data: bytes, backend: str | None) -> Portrait:
        """Raises `InvalidImage` or `UnusableFace` with the reason, field `portrait`."""
        name = self._models.choose("face", backend)
        key = Recent.key(name.encode(), data)
        found = self._recent.get(key)
        if found is None:
            picture = await self.decode(data)
            found = await self.picture(picture, name)
            self._recent.put(key, found, found.picture.nbytes)
        return found

    async def decode(self, data: bytes) -> Picture:
        return await asyncio.to_thread(decode_picture, data, field="portrait", max_pixels=self._max_pixels)

    async def picture(self, picture: Picture, backend: str | None) -> Portrait:
        face = await self._models.locate(self._models.choose("face", backend), picture)
        return cut(picture, face)


def cut(picture: Picture, face: Face) -> Portrait:
    """The face's crop of the picture as a picture of its own."""
    x, y, side = face.crop
    landmarks = face.landmarks - np.array([x, y, 0], np.float32)
    x0, y0, x1, y1 = face.box
    moved = replace(face, landmarks=landmarks, box=(x0 - x, y0 - y, x1 - x, y1 - y), crop=(0, 0, side))
    return Portrait(np.ascontiguousarray(picture[y : y + side, x : x + side]), moved)

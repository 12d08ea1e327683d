"""A portrait that can be used: drawn, looked at, and drawn again with the next seed until there is a usable face."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from pipeline.contracts import DrawnPortrait, DrawRequest, Picture, PortraitRequest, RefusedDraw
from pipeline.errors import InvalidRequest, UnusableFace
from pipeline.media.image import decode_picture, encode_png
from pipeline.models import Models
from pipeline.settings import Settings

SEEDS: Final = 2**63
"""After the last seed comes the first."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, the seed that it was drawn with, and what was drawn before it and refused."""

    picture: Picture
    seed: int
    refused: tuple[RefusedDraw, ...] = ()


def check(models: Models, backend: str, options: tuple[str, ...]) -> None:
    """Raises `InvalidRequest`, code not_honoured, for the first of these options of a request that an avatar backend
    would have to pass over."""
    honoured = models.honours(backend)
    for name in options:
        if name not in honoured:
            raise InvalidRequest(
                f"avatar-{backend} has no use for {name}.",
                code="not_honoured",
                field=name,
                accepted=f"no {name}; avatar-{backend} takes {', '.join(('prompt', 'size', 'seed', *honoured))}",
            )


async def draw(models: Models, backend: str, request: PortraitRequest, face: str, attempts: int) -> Drawn:
    """The first of so many pictures, one seed after the other, in which the face backend finds a usable face.

    The same request gives the same picture, since every seed does. Raises `UnusableFace` with code no_usable_face, and
    why each was refused.
    """
    refused: list[RefusedDraw] = []
    for number in range(attempts):
        seed = (request.seed + number) % SEEDS
        picture = await models.draw(backend, replace(request, seed=seed))
        try:
            await models.locate(face, picture)
        except UnusableFace as error:
            refused.append(RefusedDraw(seed, error.code, error.message))
        else:
            return Drawn(picture, seed, tuple(refused))
    told = " ".join(f"Seed {each.seed}: {each.message}" for each in refused)
    raise UnusableFace(
        f"None of {attempts} pictures by avatar-{backend} shows a face that can be used. {told}",
        code="no_usable_face",
        field="prompt",
        accepted="other words, another seed, or more avatar.attempts",
    )


async def portrait(models: Models, settings: Settings, request: DrawRequest) -> DrawnPortrait:
    """What the request asks for, as a PNG file. Raises what `asked` raises."""
    drawn = await asked(models, settings, request)
    return DrawnPortrait(await asyncio.to_thread(encode_png, drawn.picture), drawn.seed, drawn.refused)


async def asked(models: Models, settings: Settings, request: DrawRequest) -> Drawn:
    """What the request asks for. Raises `InvalidRequest`, `InvalidImage` (field `image`) and `UnusableFace`."""
    backend = models.choose("avatar", request.backend)
    wanted = PortraitRequest(
        prompt=request.prompt,
        size=request.size or settings.video.size,
        seed=request.seed,
        negative_prompt=request.negative_prompt,
        style=request.style,
        loras=request.loras,
        steps=request.steps,
        guidance=request.guidance,
        image=None if request.image is None else await _decoded(request.image, settings.limits.image_pixels),
        strength=request.strength,
    )
    check(models, backend, wanted.options())
    if wanted.strength is not None and wanted.image is None:
        raise InvalidRequest(
            "strength says how much of an image is drawn anew, and there is no image.",
            field="strength",
            accepted="image with strength",
        )
    if models.redrawn(backend):
        return await draw(models, backend, wanted, models.choose("face", None), settings.avatar.attempts)
    return Drawn(await models.draw(backend, wanted), wanted.seed)


async def _decoded(data: bytes, max_pixels: int) -> Picture:
    return await asyncio.to_thread(decode_picture, data, field="image", max_pixels=max_pixels)

"""/v1/images/generations and /v1/images/edits: portraits in OpenAI's shapes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import Field, TypeAdapter, ValidationError

from deployments.ingress.answers import THEIR_ERRORS, Described, streamed
from deployments.ingress.openai_models import backend_of, ignored, usage
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import Contract, Drawing, DrawRequest, Redrawn, Size
from pipeline.errors import InvalidRequest, renamed

SIZES: Final = "auto, or a square of even side from 128x128 to 1536x1536, such as 512x512"
SIDE: Final = TypeAdapter(Size)


class ImageGeneration(Described):
    """Portraits from words; the field names are OpenAI's."""

    prompt: Annotated[str, Field(min_length=1, max_length=2000)]
    model: Annotated[str, Field(max_length=200)] | None = None
    """`avatar-sdxl`, `sdxl`, or one of OpenAI's: `gpt-image-2`, `dall-e-3`, which are the default here."""
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: Annotated[str, Field(max_length=20)] = "auto"
    """auto, or a square of even side from 128x128 to 1536x1536, such as 512x512."""
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_format: Literal["png"] = "png"
    background: Literal["auto", "opaque"] = "auto"
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    """Accepted; a portrait is drawn in one go, so that a stream holds finished pictures only."""
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = None
    style: Literal["vivid", "natural"] | None = None
    moderation: Literal["auto", "low"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    user: Annotated[str, Field(max_length=500)] | None = None
    safety_identifier: Annotated[str, Field(max_length=500)] | None = None
    drawing: Drawing = Drawing()
    """Not OpenAI's: as the fields of that name of /api/v1/portraits."""


class ImageEdit(ImageGeneration):
    """Portraits from a picture and words; the field names are OpenAI's. There are no masks."""

    image: bytes
    """The picture to begin with, as a file part; its middle square is taken."""
    input_fidelity: Literal["low", "high"] | None = None
    strength: Redrawn | None = None
    """Not OpenAI's: how much of the picture is drawn anew."""


WITHOUT_EFFECT: Final = (
    "partial_images",
    "quality",
    "style",
    "moderation",
    "output_compression",
    "user",
    "safety_identifier",
    "input_fidelity",
)
PICTURE: Final = ("image",)
FIELDS: Final = {name: f"drawing.{name}" for name in Drawing.model_fields}
SPACING: Final = 1000
"""Between the seeds of the pictures of one request: a picture that is drawn again with the next seed, at most
`avatar.attempts` times, does not become its neighbour."""


class Image(Contract):
    b64_json: str | None = None
    url: str | None = None


class ImagePage(Contract):
    created: int
    data: list[Image]
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png"] = "png"
    size: str | None = None


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/v1/images", tags=["openai"], responses=THEIR_ERRORS)

    @routes.post(
        "/generations",
        response_model=ImagePage,
        response_model_exclude_none=True,
        openapi_extra=body_schema(ImageGeneration),
    )
    async def generate(request: Request, response: Response) -> Any:
        """Draw portraits: the same prompt gives the same ones."""
        wanted = await read(request, ImageGeneration)
        draws = await _draws(wanted)
        if wanted.response_format == "b64_json" or wanted.stream:
            return await _drawn(wanted, draws, response)
        response.headers.update(_ignored(wanted))
        side = draws[0].size
        size = None if side is None else f"{side}x{side}"
        data = [Image(url=_address(request, draw)) for draw in draws]
        return ImagePage(created=int(time.time()), size=size, data=data)

    @routes.post(
        "/edits",
        response_model=ImagePage,
        response_model_exclude_none=True,
        openapi_extra=body_schema(ImageEdit, PICTURE),
    )
    async def edit(request: Request, response: Response) -> Any:
        """Draw portraits that begin with a picture; a backend that can't says so."""
        wanted = await read(request, ImageEdit, PICTURE)
        if wanted.response_format == "url":
            raise InvalidRequest(
                "What was made of an upload has no address.", field="response_format", accepted="b64_json"
            )
        draws = await _draws(wanted)
        begun = [draw.model_copy(update={"image": wanted.image, "strength": wanted.strength}) for draw in draws]
        return await _drawn(wanted, begun, response)

    async def _draws(wanted: ImageGeneration) -> list[DrawRequest]:
        backend = await backend_of(operations, "avatar", wanted.model)
        side, how = side_of(wanted.size), wanted.drawing.model_dump()
        return [
            DrawRequest(prompt=wanted.prompt, size=side, seed=seed, backend=backend, **how)
            for seed in seeds(wanted.prompt, wanted.n)
        ]

    async def _drawn(wanted: ImageGeneration, draws: list[DrawRequest], response: Response) -> Any:
        headers = _ignored(wanted)
        if wanted.stream:
            if wanted.response_format == "url":
                raise InvalidRequest(
                    "A stream carries the pictures themselves.", field="response_format", accepted="b64_json"
                )
            return await streamed(_events(operations, draws), "text/event-stream", headers)
        response.headers.update(headers)
        created = int(time.time())
        with renamed(**FIELDS):
            pictures = [made.png for made in await asyncio.gather(*(operations.draw(draw) for draw in draws))]
        encoded = [Image(b64_json=base64.b64encode(picture).decode()) for picture in pictures]
        return ImagePage(created=created, size=_size(pictures[0]), data=encoded)

    return routes


def _ignored(wanted: ImageGeneration) -> dict[str, str]:
    return ignored(*(name for name in WITHOUT_EFFECT if getattr(wanted, name, None) not in (None, "auto", "")))


def seeds(prompt: str, n: int) -> list[int]:
    """Of the `n` pictures of a prompt: as far apart for two prompts as SHA-256 makes them, `SPACING` within one."""
    first = int.from_bytes(hashlib.sha256(prompt.encode(errors="surrogatepass")).digest()[:6], "big")
    return [first + SPACING * index for index in range(n)]


def side_of(size: str) -> int | None:
    """Pixels of the square that `size` names; None is the default of the settings."""
    if size == "auto":
        return None
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", size)
    try:
        if found is None or found[1] != found[2]:
            raise ValueError(size)
        return SIDE.validate_python(int(found[1]))
    except (ValueError, ValidationError):
        raise InvalidRequest(
            f"There are no portraits of {size!r} here.", code="invalid_size", field="size", accepted=SIZES
        ) from None


def _size(png: bytes) -> str:
    """WIDTHxHEIGHT, from the header of a PNG file."""
    return f"{int.from_bytes(png[16:20], 'big')}x{int.from_bytes(png[20:24], 'big')}"


def _address(request: Request, draw: DrawRequest) -> str:
    """Where the picture is drawn when it is asked for."""
    fields = draw.model_dump(exclude_none=True)
    loras = fields.pop("loras", None)
    if loras is not None:
        fields["lora"] = [f"{name}={weight:.6f}" for name, weight in loras.items()] or ""
    return f"{request.base_url}api/v1/portraits?{urlencode(fields, doseq=True)}"


async def _events(operations: Operations, draws: list[DrawRequest]) -> AsyncIterator[bytes]:
    for draw in draws:
        with renamed(**FIELDS):
            picture = (await operations.draw(draw)).png
        spent = usage(draw.prompt, 1).model_dump()
        event = {
            "type": "image_generation.completed",
            "b64_json": base64.b64encode(picture).decode(),
            "background": "opaque",
            "created_at": int(time.time()),
            "output_format": "png",
            "quality": "auto",
            "size": _size(picture),
            "usage": spent | {"input_tokens_details": {"text_tokens": len(draw.prompt), "image_tokens": 0}},
        }
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()

"""/v1/images/generations: portraits in OpenAI's shapes."""

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
from pipeline.contracts import Contract, DrawRequest, Size
from pipeline.errors import InvalidRequest

SIZES: Final = "auto, or a square of even side from 128x128 to 1536x1536, such as 512x512"
SIDE: Final = TypeAdapter(Size)


class ImageGeneration(Described):
    """Portraits from words; the field names are OpenAI's."""

    prompt: Annotated[str, Field(min_length=1, max_length=2000)]
    model: Annotated[str, Field(max_length=200)] | None = None
    """`avatar-procedural`, `procedural`, or one of OpenAI's: `gpt-image-2`, `dall-e-3`."""
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


WITHOUT_EFFECT: Final = (
    "partial_images",
    "quality",
    "style",
    "moderation",
    "output_compression",
    "user",
    "safety_identifier",
)


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
        backend = await backend_of(operations, "avatar", wanted.model)
        side = side_of(wanted.size)
        draws = [
            DrawRequest(prompt=wanted.prompt, size=side, seed=seed, backend=backend)
            for seed in seeds(wanted.prompt, wanted.n)
        ]
        headers = ignored(*(name for name in WITHOUT_EFFECT if getattr(wanted, name) not in (None, "auto", "")))
        if wanted.stream:
            if wanted.response_format == "url":
                raise InvalidRequest(
                    "A stream carries the pictures themselves.", field="response_format", accepted="b64_json"
                )
            return await streamed(_events(operations, draws), "text/event-stream", headers)
        response.headers.update(headers)
        created = int(time.time())
        if wanted.response_format == "url":
            size = None if side is None else f"{side}x{side}"
            return ImagePage(created=created, size=size, data=[Image(url=_address(request, draw)) for draw in draws])
        pictures = await asyncio.gather(*(operations.draw(draw) for draw in draws))
        encoded = [Image(b64_json=base64.b64encode(picture).decode()) for picture in pictures]
        return ImagePage(created=created, size=_size(pictures[0]), data=encoded)

    return routes


def seeds(prompt: str, n: int) -> list[int]:
    """Of the `n` pictures of a prompt: as far apart for two prompts as SHA-256 makes them, the next one each time."""
    first = int.from_bytes(hashlib.sha256(prompt.encode(errors="surrogatepass")).digest()[:6], "big")
    return [first + index for index in range(n)]


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
    return f"{request.base_url}api/v1/portraits?{urlencode(draw.model_dump(exclude_none=True))}"


async def _events(operations: Operations, draws: list[DrawRequest]) -> AsyncIterator[bytes]:
    for draw in draws:
        picture = await operations.draw(draw)
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

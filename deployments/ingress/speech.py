"""/api/v1/speech, /api/v1/portraits and /api/v1/image/upscale: a voice alone, a face alone, a picture enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from deployments.ingress.answers import ERRORS, file, streamed
from deployments.ingress.uploads import body_schema, check, read
from deployments.operations import Operations
from pipeline.contracts import DrawRequest, Guidance, Seed, Size, SpeakRequest, Steps, Style, UpscalePicture
from pipeline.errors import InvalidRequest, renamed
from pipeline.media.audio import CONTENT_TYPES

CLIP: Final = ("voice_clip",)
PICTURE: Final = ("picture",)
IMAGE: Final = ("image",)
BACKEND: Final = {f"backends.{capability}": "backend" for capability in ("voice", "avatar", "upscale")}
"""A request for one capability names its backend without saying of what."""
LoraUse = Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z0-9_-]{0,59}=-?[0-9](\.[0-9]{1,6})?)?$")]
"""What stands for an entry of `loras` in an address; empty, and alone, for none of them."""


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1", responses=ERRORS)

    @routes.post(
        "/speech",
        tags=["speech"],
        response_class=StreamingResponse,
        responses=file(*CONTENT_TYPES.values()),
        openapi_extra=body_schema(SpeakRequest, CLIP),
    )
    async def speak(request: Request) -> StreamingResponse:
        """Speak a text: an audio file, streamed as it is made."""
        wanted = await read(request, SpeakRequest, CLIP)
        with renamed(**BACKEND):
            return await streamed(operations.speak(wanted), CONTENT_TYPES[wanted.format])

    @routes.post(
        "/portraits",
        tags=["portraits"],
        response_class=Response,
        responses=file("image/png"),
        openapi_extra=body_schema(DrawRequest, IMAGE),
    )
    async def draw(request: Request) -> Response:
        """Draw a portrait from words, or from words and a picture: a PNG file.

        A backend that can't promise a usable face draws again with the next seed: the header X-Mouthpiece-Seed has the
        one it ended with, X-Mouthpiece-Refused those before it and why.
        """
        return await _drawn(await read(request, DrawRequest, IMAGE))

    @routes.get("/portraits", tags=["portraits"], response_class=Response, responses=file("image/png"))
    async def drawn(
        prompt: Annotated[str, Query(max_length=2000)] = "",
        size: Annotated[Size | None, Query()] = None,
        seed: Annotated[Seed, Query()] = 0,
        backend: Annotated[str | None, Query(max_length=100)] = None,
        negative_prompt: Annotated[str | None, Query(max_length=2000)] = None,
        style: Annotated[Style | None, Query()] = None,
        lora: Annotated[list[LoraUse] | None, Query(max_length=8, description="NAME=WEIGHT; may be repeated.")] = None,
        steps: Annotated[Steps | None, Query()] = None,
        guidance: Annotated[Guidance | None, Query()] = None,
    ) -> Response:
        """The same as an address, since the same words, size and seed give the same picture."""
        fields = {
            "prompt": prompt,
            "size": size,
            "seed": seed,
            "backend": backend,
            "negative_prompt": negative_prompt,
            "style": style,
            "loras": _loras(lora or []),
            "steps": steps,
            "guidance": guidance,
        }
        return await _drawn(check(DrawRequest, fields))

    async def _drawn(wanted: DrawRequest) -> Response:
        with renamed(**BACKEND):
            drawn = await operations.draw(wanted)
        headers = {"X-Mouthpiece-Seed": str(drawn.seed)}
        if drawn.refused:
            headers["X-Mouthpiece-Refused"] = ", ".join(f"{each.seed} {each.code}" for each in drawn.refused)
        return Response(drawn.png, media_type="image/png", headers=headers)

    @routes.post(
        "/image/upscale",
        tags=["portraits"],
        response_class=Response,
        responses=file("image/png"),
        openapi_extra=body_schema(UpscalePicture, PICTURE),
    )
    async def upscale(request: Request) -> Response:
        """Show a picture in more pixels: a PNG file."""
        wanted = await read(request, UpscalePicture, PICTURE)
        with renamed(**BACKEND):
            return Response(await operations.upscale(wanted), media_type="image/png")

    return routes


def _loras(uses: Sequence[str]) -> dict[str, str] | None:
    loras: dict[str, str] = {}
    for use in () if uses == [""] else uses:
        name, _, weight = use.partition("=")
        if name in loras:
            raise InvalidRequest(f"The LoRA {name} is given twice.", code="given_twice", field="lora")
        loras[name] = weight
    return loras if uses else None

"""/api/v1/speech, /api/v1/portraits and /api/v1/image/upscale: a voice alone, a face alone, a picture enlarged."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.ingress.answers import ERRORS, file, streamed
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import DrawRequest, Seed, Size, SpeakRequest, UpscalePicture
from pipeline.errors import renamed
from pipeline.media.audio import CONTENT_TYPES

CLIP: Final = ("voice_clip",)
PICTURE: Final = ("picture",)
BACKEND: Final = {f"backends.{capability}": "backend" for capability in ("voice", "avatar", "upscale")}
"""A request for one capability names its backend without saying of what."""


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
        openapi_extra=body_schema(DrawRequest),
    )
    async def draw(request: Request) -> Response:
        """Draw a portrait from words: a PNG file."""
        wanted = await read(request, DrawRequest)
        with renamed(**BACKEND):
            return Response(await operations.draw(wanted), media_type="image/png")

    @routes.get("/portraits", tags=["portraits"], response_class=Response, responses=file("image/png"))
    async def drawn(
        prompt: Annotated[str, Query(max_length=2000)] = "",
        size: Annotated[Size | None, Query()] = None,
        seed: Annotated[Seed, Query()] = 0,
        backend: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """The same as an address, since the same words, size and seed give the same picture."""
        wanted = DrawRequest(prompt=prompt, size=size, seed=seed, backend=backend)
        with renamed(**BACKEND):
            return Response(await operations.draw(wanted), media_type="image/png")

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

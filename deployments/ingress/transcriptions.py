"""/api/v1/audio/transcribe: what a recording says, and when."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from deployments.ingress.answers import ERRORS, file
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import TranscribeRequest, Transcription
from pipeline.errors import renamed
from pipeline.media.subtitles import TYPES, as_file

FILES: Final = ("audio",)


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/audio", tags=["speech"], responses=ERRORS)

    @routes.post(
        "/transcribe",
        response_model=Transcription,
        responses=file("text/plain", "application/x-subrip", "text/vtt", description="The transcription."),
        openapi_extra=body_schema(TranscribeRequest, FILES),
    )
    async def transcribe(request: Request) -> Response:
        """Say what a recording says, with the times of its words: as JSON, plain text or subtitles (`format`).

        With `text`, what is said is known, and its words are only found in time.
        """
        wanted = await read(request, TranscribeRequest, FILES)
        with renamed(**{"backends.transcribe": "backend"}):
            found = await operations.transcribe(wanted)
        return Response(as_file(found, wanted.format), media_type=TYPES[wanted.format])

    return routes

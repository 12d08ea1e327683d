"""/api/v1/videos/{id}/hls: a video for players of HLS (RFC 8216), also while it is being made."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response

from deployments.ingress.answers import ERRORS, file
from deployments.ingress.content import IMMUTABLE
from deployments.operations import Operations
from pipeline.contracts.playback import Segment
from pipeline.media.playlist import CONTENT_TYPE, written

HEADER: Final = "video/mp4"
SEGMENT: Final = "video/iso.segment"
"""ISO/IEC 14496-12, annex on MIME types: a fragment of MP4 without the header."""


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/videos", tags=["videos"], responses=ERRORS)

    @routes.get("/{video_id}/hls/playlist.m3u8", response_class=Response, responses=file(CONTENT_TYPE))
    async def playlist(video_id: str) -> Response:
        """The HLS playlist: of a finished video all segments; of one that is being made those that are there, and it
        grows. Long videos have segments before they are finished, of 10 seconds; before the first it answers 503,
        `not_begun`, as it does for short ones until they are finished.
        """
        found = await operations.video_playlist(video_id)
        headers = {"Cache-Control": IMMUTABLE if found.complete else "no-store"}
        return Response(written(found), media_type=CONTENT_TYPE, headers=headers)

    @routes.get("/{video_id}/hls/header.mp4", response_class=Response, responses=file(HEADER))
    async def header(video_id: str) -> Response:
        """What a player needs before the first segment: an MP4 without pictures or sound."""
        return _piece(await operations.video_segment(video_id, 0), HEADER)

    @routes.get("/{video_id}/hls/{number}.m4s", response_class=Response, responses=file(SEGMENT))
    async def segment(video_id: str, number: Annotated[int, Path(ge=1, le=100_000)]) -> Response:
        """A segment, the first of which is 1: a fragment of MP4 that begins with a key frame."""
        return _piece(await operations.video_segment(video_id, number), SEGMENT)

    return routes


def _piece(found: Segment, media: str) -> Response:
    """Those of a finished video never change. What is there of one that is being made is the same then, unless another
    version goes on with it, which begins anew where it encodes otherwise."""
    return Response(found.data, media_type=media, headers={"Cache-Control": IMMUTABLE if found.final else "no-store"})

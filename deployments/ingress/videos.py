"""/api/v1/videos: talking videos, from request to file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.ingress import content as files
from deployments.ingress.answers import ERRORS, file, streamed
from deployments.ingress.bounds import Bounds
from deployments.ingress.idempotency import Key
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import Contract, JobState, SubtitleFormat, VideoJob, VideoRequest
from pipeline.media.subtitles import TYPES

FILES: Final = ("audio", "voice_clip", "portrait", "video")
ENDED: Final[frozenset[JobState]] = frozenset({"completed", "failed", "cancelled"})


class VideoPage(Contract):
    data: list[VideoJob]
    has_more: bool


def router(operations: Operations, bounds: Bounds) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/videos", tags=["videos"], responses=ERRORS)

    @routes.post(
        "",
        status_code=202,
        responses={200: {"model": VideoJob, "description": "It has ended already."}},
        openapi_extra=body_schema(VideoRequest, FILES),
    )
    async def create(
        request: Request, response: Response, key: Key = None, wait: Annotated[float, Query(ge=0, le=600)] = 0
    ) -> VideoJob:
        """Make a talking video: something to say (`text` or `audio`) and a face (`portrait`, `avatar`, `prompt`), or a
        film of one (`video`). With `camera`, a film is made of the picture first.

        Answers at once with the job; `wait` seconds are spent waiting for it to end first.
        """
        with bounds.waiting.one(wait > 0):
            job = await operations.create_video(await read(request, VideoRequest, FILES), key)
            if wait:
                job = await operations.wait_video(job.id, wait)
        if job.status in ENDED:
            response.status_code = 200
        response.headers["Location"] = f"/api/v1/videos/{job.id}"
        return job

    @routes.post(
        "/stream",
        response_class=StreamingResponse,
        responses=file("video/mp4"),
        openapi_extra=body_schema(VideoRequest, FILES),
    )
    async def stream(request: Request) -> StreamingResponse:
        """Make a talking video and watch it meanwhile: the request of `POST /api/v1/videos`, answered with the file as
        it is made, a fragmented MP4 (H.264, AAC) that a player and Media Source Extensions play from its first second.

        Frames and sound are those of the video that the same request makes. It is not kept, and it is no job: whoever
        closes the connection stops it. What fails after the first byte breaks the file off. Not streamed are dubbed
        films (`video`), films by a camera, `upscale`, other formats than mp4, and a `webhook`.
        """
        asked = await read(request, VideoRequest, FILES)
        return await streamed(operations.stream_video(asked), "video/mp4", {"Cache-Control": "no-store"})

    @routes.get("")
    async def page(
        limit: Annotated[int, Query(ge=1, le=100)] = 20, after: Annotated[str | None, Query(max_length=100)] = None
    ) -> VideoPage:
        """Newest first; `after` is the last id of the page before."""
        jobs = await operations.videos(limit + 1, after)
        return VideoPage(data=jobs[:limit], has_more=len(jobs) > limit)

    @routes.get("/{video_id}")
    async def show(video_id: str, wait: Annotated[float, Query(ge=0, le=600)] = 0) -> VideoJob:
        """The job as it is now, or as it ends within `wait` seconds."""
        with bounds.waiting.one(wait > 0):
            return await operations.wait_video(video_id, wait) if wait else await operations.video(video_id)

    @routes.get("/{video_id}/events", response_class=StreamingResponse, responses=file("text/event-stream"))
    async def events(video_id: str) -> StreamingResponse:
        """The job as server-sent events, each time it changes, until it has ended."""

        async def lines() -> AsyncIterator[bytes]:
            with bounds.listeners.one():
                async for job in operations.watch_video(video_id):
                    yield f"event: {job.status}\ndata: {job.model_dump_json()}\n\n".encode()

        return await streamed(lines(), "text/event-stream", {"Cache-Control": "no-store"})

    @routes.get("/{video_id}/content", response_class=StreamingResponse, responses=files.documented())
    async def content(
        video_id: str,
        request: Request,
        redirect: Annotated[bool, Query(description="To the bucket itself, where the videos are kept in one.")] = False,
    ) -> Response:
        """The file. Understands `Range`, `If-Range` and `If-None-Match`, so that players can seek.

        Of a long video that is being made it is a fragmented MP4, with what is there and then what comes, as it comes.
        """
        there = await files.elsewhere(operations, video_id) if redirect else None
        return there or await files.content(operations, video_id, request, growing=True)

    @routes.head("/{video_id}/content", response_class=Response, responses=files.documented())
    async def content_facts(video_id: str, request: Request) -> Response:
        """What `GET` would answer, without the file."""
        return await files.content(operations, video_id, request, growing=True)

    @routes.get(
        "/{video_id}/subtitles.{format}",
        response_class=Response,
        responses=file("application/x-subrip", "text/vtt"),
    )
    async def subtitles(video_id: str, format: SubtitleFormat) -> Response:
        """What is said in a finished video, in cues that can be read: `subtitles.srt` or `subtitles.vtt`.

        Times are those of the voice itself where it knows them. What a recording says has to be known (`transcript`)
        or recognised.
        """
        return Response(await operations.video_subtitles(video_id, format), media_type=TYPES[format])

    @routes.post("/{video_id}/cancel")
    async def cancel(video_id: str) -> VideoJob:
        """Stop a video that has not ended."""
        return await operations.cancel_video(video_id)

    @routes.delete("/{video_id}", status_code=204)
    async def delete(video_id: str) -> None:
        """Remove a video and its file; stops it first where it is being made."""
        await operations.delete_video(video_id)

    return routes

"""/api/v1/videos: talking videos, from request to file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.ingress.answers import ERRORS, ErrorAnswer, byte_range, file, streamed
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import Contract, VideoJob, VideoRequest
from pipeline.jobs.videos import ENDED

FILES: Final = ("audio", "voice_clip", "portrait")
MEDIA_TYPES: Final = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif"}
CONTENT: Final = (
    file(*MEDIA_TYPES.values())
    | file(*MEDIA_TYPES.values(), status=206, description="The range asked for.")
    | {304: {"description": "The file is the one that is known."}}
    | {416: {"model": ErrorAnswer, "description": "The range is outside the file."}}
)


class VideoPage(Contract):
    data: list[VideoJob]
    has_more: bool


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/videos", tags=["videos"], responses=ERRORS)

    @routes.post(
        "",
        status_code=202,
        responses={200: {"model": VideoJob, "description": "It has ended already."}},
        openapi_extra=body_schema(VideoRequest, FILES),
    )
    async def create(request: Request, response: Response, wait: Annotated[float, Query(ge=0, le=600)] = 0) -> VideoJob:
        """Make a talking video: something to say (`text` or `audio`) and a face (`portrait`, `avatar`, `prompt`).

        Answers at once with the job; `wait` seconds are spent waiting for it to end first.
        """
        job = await operations.create_video(await read(request, VideoRequest, FILES))
        if wait:
            job = await operations.wait_video(job.id, wait)
        if job.status in ENDED:
            response.status_code = 200
        response.headers["Location"] = f"/api/v1/videos/{job.id}"
        return job

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
        return await operations.wait_video(video_id, wait) if wait else await operations.video(video_id)

    @routes.get("/{video_id}/events", response_class=StreamingResponse, responses=file("text/event-stream"))
    async def events(video_id: str) -> StreamingResponse:
        """The job as server-sent events, each time it changes, until it has ended."""

        async def lines() -> AsyncIterator[bytes]:
            async for job in operations.watch_video(video_id):
                yield f"event: {job.status}\ndata: {job.model_dump_json()}\n\n".encode()

        return await streamed(lines(), "text/event-stream", {"Cache-Control": "no-store"})

    @routes.get("/{video_id}/content", response_class=StreamingResponse, responses=CONTENT)
    async def content(video_id: str, request: Request) -> Response:
        """The file. Understands `Range` and `If-None-Match`, so that players can seek."""
        job = await operations.video(video_id)
        if job.result is None:
            return await streamed(operations.video_content(video_id), "video/mp4")  # raises why not
        etag, size = f'"{job.result.sha256}"', job.result.bytes
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=31536000, immutable"}
        if etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        asked = byte_range(request.headers.get("range"), size)
        start, end = asked or (0, size)
        headers["Content-Length"] = str(end - start)
        if asked:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        media = MEDIA_TYPES[job.result.format]
        answer = await streamed(operations.video_content(video_id, start, end), media, headers)
        answer.status_code = 206 if asked else 200
        return answer

    @routes.post("/{video_id}/cancel")
    async def cancel(video_id: str) -> VideoJob:
        """Stop a video that has not ended."""
        return await operations.cancel_video(video_id)

    @routes.delete("/{video_id}", status_code=204)
    async def delete(video_id: str) -> None:
        """Remove a video and its file; stops it first where it is being made."""
        await operations.delete_video(video_id)

    return routes

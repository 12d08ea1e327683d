"""The file of a finished video over HTTP: ranges and conditions (RFC 9110), so that players can seek."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from deployments.ingress.answers import Documented, ErrorAnswer, byte_range, file, streamed
from deployments.operations import Operations
from pipeline.contracts import Contract
from pipeline.contracts.words import MEDIA_TYPES
from pipeline.errors import Unavailable

IMMUTABLE: Final = "private, max-age=31536000, immutable"
"""A finished video does not change: not asked for again for a year."""


def documented(error: type[Contract] = ErrorAnswer) -> Documented:
    """Answers of a route that gives a file, for its `responses`."""
    return (
        file(*MEDIA_TYPES.values())
        | file(*MEDIA_TYPES.values(), status=206, description="The range asked for.")
        | {307: {"description": "The bucket serves the file there; only with `redirect`."}}
        | {304: {"description": "The file is the one that is known."}}
        | {416: {"model": error, "description": "The range is outside the file."}}
    )


async def elsewhere(operations: Operations, video_id: str) -> Response | None:
    """Where the bucket itself serves the file for an hour; None where there is no bucket."""
    url = await operations.video_url(video_id)
    return None if url is None else RedirectResponse(url, 307, {"Cache-Control": "no-store"})


async def content(operations: Operations, video_id: str, request: Request, *, growing: bool = False) -> Response:
    """The file, or the one range of it that the request asks for; for HEAD, all but its bytes. With `growing`, of a
    video that is being made what there is, and the rest as it comes.

    Several ranges at once are answered with the whole file, as RFC 9110 (14.2) allows; no player asks for them.
    """
    job = await operations.video(video_id)
    if job.result is None:
        if growing:
            return await _growing(operations, video_id, request)
        return await streamed(operations.video_content(video_id), "video/mp4")  # raises why not
    etag, size = f'"{job.result.sha256}"', job.result.bytes
    name = f'inline; filename="{job.id}.{job.result.format}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": IMMUTABLE, "Content-Disposition": name}
    if _known(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    # A part of another file would be of no use to who has parts of this one: RFC 9110, 13.1.5.
    same = request.headers.get("if-range", etag).strip() == etag
    asked = byte_range(request.headers.get("range"), size) if same and request.method == "GET" else None
    start, end = asked or (0, size)
    headers["Content-Length"] = str(end - start)
    media = MEDIA_TYPES[job.result.format]
    if request.method == "HEAD":
        return Response(headers=headers, media_type=media)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    answer = await streamed(operations.video_content(video_id, start, end), media, headers)
    answer.status_code = 206 if asked else 200
    return answer


async def _growing(operations: Operations, video_id: str, request: Request) -> Response:
    """What there is of a video that is being made, and the rest as it is; raises why not where there is nothing."""
    headers = {"Cache-Control": "no-store", "Accept-Ranges": "none"}
    try:
        await operations.video_playlist(video_id)
    except Unavailable as error:
        if error.code != "not_begun":
            raise
        return await streamed(operations.video_content(video_id), "video/mp4")  # raises that it is not finished
    if request.method == "HEAD":
        return Response(headers=headers, media_type="video/mp4")
    return await streamed(operations.growing_video(video_id), "video/mp4", headers)


def _known(header: str | None, etag: str) -> bool:
    """Whether `If-None-Match` names this file; a weak tag does for that."""
    tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return etag in tags or tags == ["*"]

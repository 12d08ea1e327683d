"""/v1/videos: talking videos in OpenAI's shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from deployments.ingress import content as files
from deployments.ingress.answers import THEIR_ERRORS, Described, TheirErrorAnswer, file
from deployments.ingress.idempotency import Key
from deployments.ingress.openai_images import side_of
from deployments.ingress.openai_models import backend_of, ignored
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import Backends, Contract, JobState, Language, Name, Still, VideoJob, VideoRequest
from pipeline.contracts.words import MEDIA_TYPES
from pipeline.errors import renamed

REFERENCE: Final = ("input_reference",)
WEBP: Final = "image/webp"
POLL: Final = {"openai-poll-after-ms": "500"}
"""How soon OpenAI's client asks again; without the header, after a second."""
UNKNOWN: Final = "auto"

Progress = Literal["queued", "in_progress", "completed", "failed"]

STATUS: Final[dict[JobState, Progress]] = {
    "queued": "queued",
    "running": "in_progress",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


class VideoCreation(Described):
    """A talking video; the field names are OpenAI's."""

    prompt: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    """What is said."""
    input_reference: bytes | None = None
    """The portrait that says it: a photo with one face, as a file part. Without it, a face is drawn."""
    model: Annotated[str, Field(max_length=200)] | None = None
    """`lipsync-meshwarp`, `meshwarp`, or one of OpenAI's: `sora-2`."""
    seconds: Annotated[str, Field(max_length=10, pattern=r"^[0-9]{1,4}$")] | None = None
    """Accepted and not followed, which the header X-Mouthpiece-Ignored says: a video lasts as long as its words."""
    size: Annotated[str, Field(max_length=20)] = UNKNOWN
    """auto, or a square of even side from 128x128 to 1536x1536, such as 512x512."""
    voice: Name | None = None
    """Not OpenAI's: as `voice` of /api/v1/videos."""
    language: Language = "en"
    """Not OpenAI's: the language of `prompt`."""


class VideoError(Contract):
    code: str
    message: str


class TheirVideo(Described):
    id: str
    object: Literal["video"] = "video"
    model: str
    """`lipsync-` and the backend, of a clip `motion-` and the backend; auto while that is not known."""
    status: Progress
    """One that was cancelled has failed, with the code `cancelled`."""
    progress: Annotated[int, Field(ge=0, le=100)]
    created_at: int
    completed_at: int | None
    expires_at: int | None = None
    """Always null: videos are kept until they are deleted, or as long as the server's settings say."""
    size: str
    """WIDTHxHEIGHT; auto while that is not known."""
    seconds: str
    """What it lasts; 0 while that is not known."""
    prompt: str | None = None
    """Given back in the answer that accepts it, and by no other."""
    remixed_from_video_id: str | None = None
    error: VideoError | None

    @staticmethod
    def of(job: VideoJob, asked: VideoCreation | None = None, model: str = UNKNOWN) -> TheirVideo:
        result = job.result
        error = None if job.error is None else VideoError(code=job.error.code, message=job.error.message)
        if job.status == "cancelled":
            error = VideoError(code="cancelled", message="The video was cancelled.")
        return TheirVideo(
            id=job.id,
            model=model if result is None else _model(result.backends),
            status=STATUS[job.status],
            progress=int(job.progress),
            created_at=int(job.created_at.timestamp()),
            completed_at=_seconds(job.completed_at) if job.status == "completed" else None,
            size=(UNKNOWN if asked is None else asked.size) if result is None else f"{result.width}x{result.height}",
            seconds="0" if result is None else f"{result.seconds:.3f}".rstrip("0").rstrip("."),
            prompt=None if asked is None else asked.prompt,
            error=error,
        )


class TheirVideoPage(Contract):
    object: Literal["list"] = "list"
    data: list[TheirVideo]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(Contract):
    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/v1/videos", tags=["openai"], responses=THEIR_ERRORS)

    @routes.post("", openapi_extra=body_schema(VideoCreation, REFERENCE))
    async def create(request: Request, response: Response, key: Key = None) -> TheirVideo:
        """Make a talking video: `input_reference` says `prompt`."""
        wanted = await read(request, VideoCreation, REFERENCE)
        backend = await backend_of(operations, "lipsync", wanted.model)
        ours = VideoRequest(
            text=wanted.prompt,
            portrait=wanted.input_reference,
            size=side_of(wanted.size),
            voice=wanted.voice,
            language=wanted.language,
            backends=Backends(lipsync=backend),
        )
        with renamed(text="prompt", portrait="input_reference"):
            job = await operations.create_video(ours, key)
        response.headers.update(POLL | ignored("seconds" if wanted.seconds else None))
        response.headers["Location"] = f"/v1/videos/{job.id}"
        return TheirVideo.of(job, wanted, f"lipsync-{backend}")

    @routes.get("")
    async def page(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[str | None, Query(max_length=100)] = None,
        order: Annotated[  # noqa: ARG001 - there is but one
            Literal["desc"], Query(description="Newest first; there is no other order here.")
        ] = "desc",
    ) -> TheirVideoPage:
        """Newest first; `after` is the last id of the page before."""
        found = [TheirVideo.of(job) for job in await operations.videos(limit + 1, after)]
        page = found[:limit]
        ends = (page[0].id, page[-1].id) if page else (None, None)
        return TheirVideoPage(data=page, first_id=ends[0], last_id=ends[1], has_more=len(found) > limit)

    @routes.get("/{video_id}")
    async def show(video_id: str, response: Response) -> TheirVideo:
        """A video as it is now."""
        response.headers.update(POLL)
        return TheirVideo.of(await operations.video(video_id))

    @routes.get(
        "/{video_id}/content",
        response_class=StreamingResponse,
        responses=files.documented(TheirErrorAnswer) | file(*MEDIA_TYPES.values(), WEBP),
    )
    async def content(
        video_id: str, request: Request, variant: Annotated[Literal["video", Still], Query()] = "video"
    ) -> Response:
        """The file, or a picture of it in WebP: one frame (`thumbnail`), or a sheet of many (`spritesheet`)."""
        if variant == "video":
            return await files.content(operations, video_id, request)
        still = await operations.video_still(video_id, variant)
        return Response(still, media_type=WEBP, headers={"Cache-Control": files.IMMUTABLE})

    @routes.delete("/{video_id}")
    async def delete(video_id: str) -> VideoDeleted:
        """Remove a video and its file; stops it first where it is being made."""
        await operations.delete_video(video_id)
        return VideoDeleted(id=video_id)

    return routes


def _model(backends: dict[str, str]) -> str:
    """What stands for a video: who moves the lips; of one without lips, who made it."""
    capability = "lipsync" if "lipsync" in backends else list(backends)[-1]
    return f"{capability}-{backends[capability]}"


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())

"""/api/v1/clips: films without speech. What is made is a video, and found among them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from deployments.ingress.answers import ERRORS
from deployments.ingress.bounds import Bounds
from deployments.ingress.idempotency import Key
from deployments.ingress.uploads import body_schema, read
from deployments.ingress.videos import ENDED
from deployments.operations import Operations
from pipeline.contracts import ClipRequest, VideoJob

FILES: Final = ("picture", "video")


def router(operations: Operations, bounds: Bounds) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/clips", tags=["videos"], responses=ERRORS)

    @routes.post(
        "",
        status_code=202,
        responses={200: {"model": VideoJob, "description": "It has ended already."}},
        openapi_extra=body_schema(ClipRequest, FILES),
    )
    async def create(
        request: Request, response: Response, key: Key = None, wait: Annotated[float, Query(ge=0, le=600)] = 0
    ) -> VideoJob:
        """Make a film of a picture (`picture` or `prompt`): a camera moves over it, or a model brings it to life.
        Or enlarge a film (`video` and `upscale`).

        Answers at once with the video, which is at `/api/v1/videos/{id}` from then on; `wait` seconds are spent
        waiting for it to end first.
        """
        with bounds.waiting.one(wait > 0):
            job = await operations.create_clip(await read(request, ClipRequest, FILES), key)
            if wait:
                job = await operations.wait_video(job.id, wait)
        if job.status in ENDED:
            response.status_code = 200
        response.headers["Location"] = f"/api/v1/videos/{job.id}"
        return job

    return routes

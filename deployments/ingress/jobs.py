"""/api/v1/jobs: work that was accepted, with its steps."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from deployments.ingress.answers import ERRORS
from deployments.ingress.bounds import Bounds
from deployments.operations import Operations
from pipeline.contracts import Job, JobKind, JobPage, TaskState


def router(operations: Operations, bounds: Bounds) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=ERRORS)

    @routes.get("")
    async def page(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[str | None, Query(max_length=100, description="The last id of the page before.")] = None,
        kind: Annotated[JobKind | None, Query()] = None,
        state: Annotated[tuple[TaskState, ...], Query(max_length=8, description="Any of these.")] = (),
    ) -> JobPage:
        """Newest first, without their steps."""
        found = await operations.jobs(limit + 1, after, kind, state)
        return JobPage(data=found[:limit], has_more=len(found) > limit)

    @routes.get("/{job_id}")
    async def show(job_id: str, wait: Annotated[float, Query(ge=0, le=600)] = 0) -> Job:
        """The job with its steps, as it is now, or as it ends within `wait` seconds."""
        with bounds.waiting.one(wait > 0):
            return await operations.wait_job(job_id, wait) if wait else await operations.job(job_id)

    @routes.post("/{job_id}/cancel")
    async def cancel(job_id: str) -> Job:
        """Stop a job that has not ended. What its steps have made stays, to be used again."""
        return await operations.cancel_job(job_id)

    @routes.post("/{job_id}/retry")
    async def retry(job_id: str) -> Job:
        """Do a failed job again, from the steps that failed: what was made is not made again."""
        return await operations.retry_job(job_id)

    @routes.delete("/{job_id}", status_code=204)
    async def delete(job_id: str) -> None:
        """Remove a job and what it made; stops it first where it is being worked on."""
        await operations.delete_job(job_id)

    return routes

"""The front door: HTTP for everyone, and the typed methods of `serve.get_app_handle("mouthpiece")`."""

from __future__ import annotations

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.ingress.api import make_api
from deployments.ingress.bounds import Bounds
from deployments.ingress.outbox import Backpressure
from deployments.ingress.records import Elsewhere, Records
from deployments.metrics import metrics
from deployments.operations import Operations
from pipeline.contracts import Event, Job, JobKind, TaskState, VideoJob
from pipeline.contracts.states import ENDED
from pipeline.jobs.videos import as_video
from pipeline.settings import Settings


@serve.ingress()
class Ingress(Operations):
    """`Operations` by handle (`handle.create_video.remote(VideoRequest(...))`) and the same ones over HTTP.

    How a job is, which is what is asked most often, is read from where the coordinator writes it.
    """

    def __init__(self, coordinator: DeploymentHandle, settings: Settings) -> None:
        super().__init__(coordinator)
        self._settings = settings
        self._records = Records(settings, settings.storage.folder.expanduser())

    def __serve_build_asgi_app__(self) -> FastAPI:
        api = make_api(self, self._settings, Bounds(metrics=metrics("cluster")))
        api.add_middleware(Backpressure)
        return api

    async def job(self, job_id: str) -> Job:
        from pipeline.storage import jobs

        try:
            return await self._records.read(lambda c: jobs.get(c, job_id), brief=True)
        except Elsewhere:
            return await super().job(job_id)

    async def wait_job(self, job_id: str, seconds: float) -> Job:
        job = await super().wait_job(job_id, seconds)
        # What a coordinator has in mind may be newer than what it wrote, and nobody is to see progress go back.
        return job if job.state in ENDED else await self.job(job_id)

    async def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: tuple[TaskState, ...] = (),
    ) -> list[Job]:
        from pipeline.storage import jobs

        try:
            return await self._records.read(lambda c: jobs.page(c, limit, after, kind, states))
        except Elsewhere:
            return await super().jobs(limit, after, kind, states)

    async def video(self, job_id: str) -> VideoJob:
        return as_video(await self.job(job_id))

    async def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return [as_video(job) for job in await self.jobs(limit, after, "video")]

    async def wait_video(self, job_id: str, seconds: float) -> VideoJob:
        return as_video(await self.wait_job(job_id, seconds))

    async def events(self, after: int = 0, job_id: str | None = None, limit: int = 1000) -> list[Event]:
        from pipeline.storage import events

        try:
            return await self._records.read(lambda c: events.since(c, after, job_id, limit))
        except Elsewhere:
            return await super().events(after, job_id, limit)

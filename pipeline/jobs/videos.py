"""The queue of videos: accepted, waited for, watched, cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.contracts import ErrorBody, VideoFacts, VideoJob, VideoRequest
from pipeline.errors import BackendFailed, Busy, Conflict, MouthpieceError, NotFound
from pipeline.ids import new_id
from pipeline.jobs.folder import JobFolder
from pipeline.render import Report

log = logging.getLogger("mouthpiece.videos")

Render = Callable[[VideoRequest, Path, Report], Awaitable[VideoFacts]]

ENDED = frozenset({"completed", "failed", "cancelled"})


class VideoJobs:
    """Runs accepted requests, oldest first, `concurrent` at a time; keeps them in a folder.

    A job that was queued or running when the process died is rendered again from its start.
    """

    def __init__(self, folder: Path, render: Render, *, concurrent: int, queued: int) -> None:
        self._folder = JobFolder(folder)
        self._render = render
        self._limit = queued
        self._arriving = 0
        self._jobs: dict[str, VideoJob] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._changed = asyncio.Condition()
        self._ending = asyncio.Lock()
        self._concurrent = concurrent
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Takes up what the folder holds. Call once, on the event loop that serves."""
        for job in self._folder.load():
            again = job.status not in ENDED
            anew = {"status": "queued", "progress": 0.0, "stage": "queued", "frames_made": 0}
            self._jobs[job.id] = job.model_copy(update=anew) if again else job
            if again:
                self._queue.put_nowait(job.id)
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._concurrent)]

    async def submit(self, request: VideoRequest) -> VideoJob:
        """Accepts an admitted request. Raises `Busy` when the queue is full."""
        if self._waiting() >= self._limit:
            raise Busy(f"{self._limit} videos are waiting already.", code="queue_full", retry_after=10)
        now = datetime.now(UTC)
        job = VideoJob(id=new_id("vid"), status="queued", progress=0, stage="queued", created_at=now)
        self._arriving += 1
        # A client that leaves now leaves an accepted job, not one that only the disk knows of.
        await asyncio.shield(self._accept(job, request))
        return job

    async def _accept(self, job: VideoJob, request: VideoRequest) -> None:
        try:
            await asyncio.to_thread(self._folder.add, job, request)
        finally:
            self._arriving -= 1
        self._jobs[job.id] = job
        self._queue.put_nowait(job.id)

    def _waiting(self) -> int:
        # Not the queue's own size: what was cancelled stays in there until a worker comes by, and what is being
        # written to disk is not in there yet.
        queued = (job.id for job in self._jobs.values() if job.status == "queued")
        return self._arriving + sum(job_id not in self._running for job_id in queued)

    def get(self, job_id: str) -> VideoJob:
        try:
            return self._jobs[job_id]
        except KeyError:
            raise NotFound(f"There is no video {job_id!r}.", field="id") from None

    def page(self, limit: int, after: str | None) -> list[VideoJob]:
        """Newest first, at most `limit`, those older than the id `after`."""
        ids = sorted((i for i in self._jobs if after is None or i < after), reverse=True)
        return [self._jobs[i] for i in ids[:limit]]

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        counts: dict[str, int] = {}
        for job in self._jobs.values():
            counts[job.status] = counts.get(job.status, 0) + 1
        return counts

    async def wait(self, job_id: str, seconds: float) -> VideoJob:
        """The job as soon as it has ended, or as it is after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.get(job_id).status in ENDED)
        return self.get(job_id)

    async def watch(self, job_id: str) -> AsyncIterator[VideoJob]:
        """The job now, then whenever it changes, until it has ended. Skips states nobody was ready to see."""
        shown: VideoJob | None = None
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self.get(job_id) != shown)  # noqa: B023 - checked at once
                shown = self.get(job_id)
            yield shown
            if shown.status in ENDED:
                return

    async def cancel(self, job_id: str) -> VideoJob:
        """Stops a job that has not ended. Raises `Conflict` for one that has."""
        job = self.get(job_id)
        if job.status in ENDED:
            raise Conflict(f"The video {job_id} is {job.status} already.", code="already_ended")
        await self._end(job_id, status="cancelled")
        task = self._running.get(job_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return self.get(job_id)

    async def delete(self, job_id: str) -> None:
        """Removes a job and its file; stops it first where it runs."""
        job = self.get(job_id)
        if job.status not in ENDED:
            await self.cancel(job_id)
        del self._jobs[job_id]
        await asyncio.to_thread(self._folder.remove, job_id)
        async with self._changed:
            self._changed.notify_all()

    def file(self, job_id: str) -> Path:
        """The finished video. Raises `Conflict` before it is finished, `NotFound` where there is none."""
        job = self.get(job_id)
        if job.result is None:
            raise Conflict(f"The video {job_id} is {job.status}, not completed.", code="not_completed")
        path = self._folder.file(job, job.result.format)
        if not path.exists():
            raise NotFound(f"The file of video {job_id} is gone.", field="id")
        return path

    async def _work(self) -> None:
        while True:
            job_id = await self._queue.get()
            job = self._jobs.get(job_id)
            if job is None or job.status != "queued":
                continue
            task = asyncio.create_task(self._run(job))
            self._running[job_id] = task
            await asyncio.wait({task})
            del self._running[job_id]
            if not task.cancelled() and task.exception() is not None:
                log.error("video %s could not be recorded", job_id, exc_info=task.exception())

    async def _run(self, job: VideoJob) -> None:
        loop = asyncio.get_running_loop()

        def report(stage: str, progress: float, frames_made: int = 0, frames_total: int | None = None) -> None:
            update = {"stage": stage, "progress": progress, "frames_made": frames_made, "frames_total": frames_total}
            loop.create_task(self._progress(job.id, update))  # noqa: RUF006 - told, not waited for

        try:
            request = await asyncio.to_thread(self._folder.request, job.id)
            facts = await self._render(request, self._folder.file(job, request.format), report)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            known = error if isinstance(error, MouthpieceError) else BackendFailed(f"{type(error).__name__}: {error}")
            if not isinstance(error, MouthpieceError):
                log.exception("video %s failed", job.id)
            body = ErrorBody(**known.body()["error"])
            await self._end(job.id, status="failed", error=body)
        else:
            made = {"frames_made": facts.frames, "frames_total": facts.frames}
            await self._end(job.id, status="completed", stage="done", progress=100.0, result=facts, **made)

    async def _end(self, job_id: str, **update: object) -> None:
        """On disk first, then for everyone to see. The first end counts: a job cancelled while its last step
        finished stays cancelled."""
        async with self._ending:
            if self._jobs[job_id].status in ENDED:
                return
            update["completed_at"] = datetime.now(UTC)
            try:
                await asyncio.to_thread(self._folder.save, self._jobs[job_id].model_copy(update=update))
            except OSError:
                # Those who wait for it have to hear of its end all the same; a restart renders it again.
                log.exception("The end of video %s can't be written.", job_id)
            async with self._changed:
                self._jobs[job_id] = self._jobs[job_id].model_copy(update=update)
                self._changed.notify_all()

    async def _progress(self, job_id: str, update: dict[str, Any]) -> None:
        async with self._changed:
            job = self._jobs.get(job_id)
            if job is not None and job.status not in ENDED:
                progress = max(job.progress, update["progress"])
                self._jobs[job_id] = job.model_copy(update=update | {"status": "running", "progress": progress})
                self._changed.notify_all()

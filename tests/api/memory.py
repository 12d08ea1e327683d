"""The coordinator's operations in memory: jobs that a test moves by hand, events that are kept and told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import uvicorn
from fastapi import FastAPI

from deployments.ingress.api import make_api
from deployments.ingress.bounds import Bounds
from deployments.operations import Operations
from pipeline.contracts import (
    Capability,
    ErrorBody,
    Event,
    EventType,
    Job,
    JobKind,
    Step,
    Still,
    TaskState,
    UsageTable,
    VideoFacts,
    VideoJob,
    VideoRequest,
)
from pipeline.contracts.playback import Playlist
from pipeline.contracts.states import ENDED
from pipeline.errors import Conflict, NotFound, Unavailable
from pipeline.ids import new_id
from pipeline.settings import Settings

BEGAN = datetime(2026, 11, 21, 9, tzinfo=UTC)
FILE = bytes(range(256)) * 40
STEPS = (Step(name="locate", kind="locate"), Step(name="speak.0001", kind="speak"), Step(name="film", kind="film"))
FACTS = VideoFacts(
    seconds=2.5,
    frames=25,
    fps=10,
    size=128,
    width=128,
    height=128,
    format="mp4",
    bytes=len(FILE),
    sha256="ab" * 32,
    timings={"total": 1.0},
    backends={"voice": "espeak", "lipsync": "meshwarp"},
)
_STATUS = {"completed": "completed", "failed": "failed", "cancelled": "cancelled", "pending": "queued"}


class MemoryOperations(Operations):
    """Everything that the routes of jobs and videos call. For one event loop."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.jobs_kept: dict[str, Job] = {}
        self.keys: dict[str, tuple[VideoRequest, str]] = {}
        self.requests: list[VideoRequest] = []
        self.asked_for_usage: list[tuple[UsageTable, datetime | None]] = []
        self.while_reading: Callable[[], None] | None = None
        """Called after kept events were read and before they are answered with."""
        self.asked_for_events: list[int] = []
        self.away = False
        self.bucket = False
        """Whether files lie where they have a URL of their own."""
        self.streamed = 0
        """Pieces of videos that were taken from here."""
        self.stream_ended = asyncio.Event()
        self.streams = 0
        """How often the stream of events was opened."""
        self.watching = 0
        self._followers: set[asyncio.Queue[list[Event] | None]] = set()
        self._changed = asyncio.Condition()

    # What a test does

    def happens(self, type: EventType, job_id: str, /, **data: Any) -> Event:
        """An event, kept and then told."""
        number = self.kept[-1].id + 2 if self.kept else 1
        at = BEGAN + timedelta(seconds=number)
        event = Event(id=number, type=type, task_id=job_id, at=at, data={"task_id": job_id, **data})
        self.kept.append(event)
        for follower in self._followers:
            follower.put_nowait([event])
        return event

    def leaves(self) -> None:
        """The coordinator dies: its streams break, and it answers nothing until it `returns`."""
        self.away = True
        for follower in self._followers:
            follower.put_nowait(None)

    def returns(self) -> None:
        self.away = False

    async def moves(self, job_id: str, state: TaskState, **update: Any) -> None:
        self.jobs_kept[job_id] = self.jobs_kept[job_id].model_copy(update={"state": state, **update})
        async with self._changed:
            self._changed.notify_all()

    async def completes(self, job_id: str) -> None:
        await self.moves(job_id, "completed", progress=100.0, result=FACTS, completed_at=BEGAN + timedelta(seconds=9))

    def add(self, state: TaskState = "pending") -> str:
        """Another job."""
        job_id = new_id("vid")
        error = ErrorBody(code="backend_failed", message="It broke.") if state == "failed" else None
        at = BEGAN + timedelta(seconds=len(self.jobs_kept))
        self.jobs_kept[job_id] = Job(id=job_id, state=state, created_at=at, steps=STEPS, error=error)
        return job_id

    # What the routes call

    def _present(self) -> None:
        if self.away:
            raise Unavailable("The coordinator can't be reached.", retry_after=1)

    async def models(self) -> dict[Capability, tuple[str, ...]]:
        return {
            "voice": ("espeak",),
            "avatar": ("procedural",),
            "face": ("mediapipe",),
            "lipsync": ("meshwarp", "b"),
            "motion": ("kenburns",),
            "upscale": ("lanczos",),
            "transcribe": ("align",),
        }

    async def create_video(self, request: VideoRequest, idempotency_key: str | None = None) -> VideoJob:
        self._present()
        if idempotency_key in self.keys:
            before, job_id = self.keys[idempotency_key]
            if before != request:
                raise Conflict("The key belongs to another request.", code="key_reused", field="idempotency-key")
            return await self.video(job_id)
        job_id = self.add()
        self.requests.append(request)
        if idempotency_key is not None:
            self.keys[idempotency_key] = request, job_id
        return await self.video(job_id)

    async def video(self, job_id: str) -> VideoJob:
        job = await self.job(job_id)
        fields = job.model_dump(include={"id", "progress", "created_at", "completed_at", "error", "result"})
        return VideoJob(status=_STATUS.get(job.state, "running"), stage=job.message, **fields)  # ty: ignore

    async def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return [await self.video(job.id) for job in await self.jobs(limit, after)]

    async def wait_video(self, job_id: str, seconds: float) -> VideoJob:
        await self.wait_job(job_id, seconds)
        return await self.video(job_id)

    async def watch_video(self, job_id: str) -> AsyncIterator[VideoJob]:
        self.watching += 1
        try:
            while True:
                job = await self.video(job_id)
                yield job
                if job.status in ("completed", "failed", "cancelled"):
                    return
                async with self._changed:
                    await self._changed.wait()
        finally:
            self.watching -= 1

    async def cancel_video(self, job_id: str) -> VideoJob:
        await self.cancel_job(job_id)
        return await self.video(job_id)

    async def delete_video(self, job_id: str) -> None:
        await self.delete_job(job_id)

    async def video_content(self, job_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if (await self.job(job_id)).result is None:
            raise Conflict("The video is not completed.", code="not_completed")
        yield FILE[start:end]

    async def video_playlist(self, job_id: str) -> Playlist:
        if (await self.job(job_id)).result is None:
            raise Unavailable("Nothing of the video is there yet.", code="not_begun", retry_after=2)
        return Playlist(Fraction(25), (25,), complete=True)

    async def stream_video(self, request: VideoRequest) -> AsyncGenerator[bytes]:
        """FILE again and again: as often as the seed of the request says, or for ever."""
        self.requests.append(request)
        if request.text == "refused":
            raise Conflict("Not now.", code="not_now")
        try:
            while self.streamed < (request.seed or sys.maxsize):
                self.streamed += 1
                yield FILE
                await asyncio.sleep(0)  # as who works for it does
                if request.text == "breaks off":
                    raise Conflict("Not any more.", code="not_now")
        finally:
            self.stream_ended.set()

    async def video_url(self, job_id: str, seconds: int = 3600) -> str | None:
        await self.job(job_id)
        return f"http://bucket.example/{job_id}?for={seconds}" if self.bucket else None

    async def video_still(self, job_id: str, variant: Still) -> bytes:
        if (await self.job(job_id)).result is None:
            raise Conflict("The video is not completed.", code="not_completed")
        return variant.encode()

    async def job(self, job_id: str) -> Job:
        self._present()
        if job_id not in self.jobs_kept:
            raise NotFound(f"There is no job {job_id!r}.", field="id")
        return self.jobs_kept[job_id]

    async def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: tuple[TaskState, ...] = (),
    ) -> list[Job]:
        self._present()
        newest = sorted(self.jobs_kept.values(), key=lambda job: job.id, reverse=True)
        found = [job for job in newest if (after is None or job.id < after) and (not states or job.state in states)]
        return [job.model_copy(update={"steps": ()}) for job in found[:limit] if kind in (None, job.kind)]

    async def wait_job(self, job_id: str, seconds: float) -> Job:
        try:
            async with asyncio.timeout(seconds), self._changed:
                while (await self.job(job_id)).state not in ENDED:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return await self.job(job_id)

    async def cancel_job(self, job_id: str) -> Job:
        if (await self.job(job_id)).state in ENDED:
            raise Conflict("It has ended.", code="already_ended")
        await self.moves(job_id, "cancelled")
        return self.jobs_kept[job_id]

    async def retry_job(self, job_id: str) -> Job:
        if (await self.job(job_id)).state != "failed":
            raise Conflict("It has not failed.", code="not_failed")
        await self.moves(job_id, "pending", attempt=2, error=None)
        return self.jobs_kept[job_id]

    async def delete_job(self, job_id: str) -> None:
        await self.job(job_id)
        del self.jobs_kept[job_id]

    async def events(self, after: int = 0, job_id: str | None = None, limit: int = 1000) -> list[Event]:
        self._present()
        self.asked_for_events.append(after)
        found = [event for event in self.kept if event.id > after and job_id in (None, event.task_id)][:limit]
        if self.while_reading is not None:
            self.while_reading()
        await asyncio.sleep(0)
        return found

    async def follow_events(self) -> AsyncIterator[list[Event]]:
        self._present()
        queue: asyncio.Queue[list[Event] | None] = asyncio.Queue()
        self._followers.add(queue)
        self.streams += 1
        try:
            yield []
            while (batch := await queue.get()) is not None:
                yield batch
            raise Unavailable("The coordinator died.")
        finally:
            self._followers.discard(queue)

    async def usage(self, table: UsageTable, since: datetime | None = None) -> AsyncIterator[bytes]:
        self.asked_for_usage.append((table, since))
        yield b"PAR1"
        yield table.encode()


def served(operations: Operations, bounds: Bounds | None = None) -> FastAPI:
    """The whole API over `operations`."""
    return make_api(operations, Settings(), bounds)


class Served:
    """The same behind a real server, on the test's own event loop: `async with Served(operations) as url`."""

    def __init__(self, operations: Operations, bounds: Bounds | None = None) -> None:
        api = served(operations, bounds)
        config = uvicorn.Config(
            api, host="127.0.0.1", port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> str:
        self._serving = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

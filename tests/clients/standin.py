"""A server that speaks the contract of jobs and can be made to break: answers lost, streams cut, restarts."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from pipeline.contracts import ErrorBody, Event, EventType, Job, Step, VideoJob
from pipeline.errors import Conflict, MouthpieceError, NotFound

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ID = "vid_01kaj4x2m3n4p5q6r7s8t9v0w1"

Trouble = Response | Literal["lost", "gone"]
"""What happens to a request: an answer instead of it; its answer is lost on the way; nobody takes it."""


def refusal(error: MouthpieceError, **headers: str) -> Response:
    return JSONResponse(error.body(), error.status, headers=headers)


def steps(*states: tuple[str, str]) -> tuple[Step, ...]:
    """`("speak.0001", "completed")` as a step."""
    return tuple(Step.model_validate({"name": n, "kind": n.partition(".")[0], "state": state}) for n, state in states)


class Standin:
    """One job `ID`, its events, videos by idempotency key. Used by one test, on a thread of its own."""

    def __init__(self) -> None:
        self.job = Job(id=ID, state="pending", created_at=NOW, steps=steps(("locate", "pending"), ("film", "pending")))
        self.events: list[Event] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """Requests in order: method, path with query, headers."""
        self.bodies: list[dict[str, Any]] = []
        """Of requests for videos."""
        self.videos: dict[str, VideoJob] = {}
        self.troubles: deque[Trouble] = deque()
        """For the next requests, one each."""
        self.content = bytes(range(256)) * 4096
        self.cut_after: list[int] = []
        """Bytes of the content after which a connection breaks, one for each of the next downloads."""
        self.usage: dict[str, bytes] = {}
        self._generation = 0
        self._lock = threading.Lock()
        self._listened = threading.Event()
        self._looked_at = threading.Event()
        self._port = 0
        self._server: uvicorn.Server | None = None

    # For the test

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        config = uvicorn.Config(self._app(), port=self._port, log_level="critical", timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            threading.Event().wait(0.01)
        self._port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self.cut()
        self._thread.join(30)

    def cut(self) -> None:
        """Breaks every open stream in the middle."""
        with self._lock:
            self._generation += 1

    def until_listened(self) -> None:
        """Waits until a stream of events was opened."""
        assert self._listened.wait(30)

    def until_looked_at(self) -> None:
        """Waits until somebody was given the job."""
        assert self._looked_at.wait(30)

    def happens(self, type: EventType, state: str | None = None, /, **data: Any) -> None:
        """An event; the job is in `state` from then on, with the progress that the event tells of."""
        with self._lock:
            known = {"progress": data.get("percent"), "message": data.get("message"), "state": state}
            known["frames_made"] = data.get("frames_made")
            if state in ("completed", "failed", "cancelled"):
                self.job = self.job.model_copy(
                    update={
                        "completed_at": NOW + timedelta(seconds=9),
                        "steps": steps(("locate", "completed"), ("film", state)),
                        "error": ErrorBody(code="backend_failed", message="No.") if state == "failed" else None,
                    }
                )
            self.job = self.job.model_copy(update={key: value for key, value in known.items() if value is not None})
            self.events.append(Event(id=7 * len(self.events) + 7, type=type, task_id=ID, at=NOW, data=data))

    def paths(self, method: str) -> list[str]:
        return [path for asked, path, _ in self.asked if asked == method]

    # The server

    def _app(self) -> Any:
        api = FastAPI()

        @api.exception_handler(MouthpieceError)
        async def ours(request: Request, error: MouthpieceError) -> Response:
            return refusal(error)

        @api.post("/api/v1/videos")
        async def create(request: Request) -> VideoJob:
            self.bodies.append(await request.json())
            key = request.headers["idempotency-key"]
            made = VideoJob(id=ID, status="queued", progress=0, stage="queued", created_at=NOW)
            return self.videos.setdefault(key, made)

        @api.get("/api/v1/videos/{video_id}")
        async def video(video_id: str) -> VideoJob:
            state = {"pending": "queued", "in_progress": "running"}.get(self.job.state, self.job.state)
            return VideoJob.model_validate(
                {"id": ID, "status": state, "progress": self.job.progress, "stage": "x", "created_at": NOW}
            )

        @api.get("/api/v1/videos/{video_id}/events")
        async def video_events(video_id: str) -> Response:
            async def states() -> AsyncIterator[bytes]:
                async for _ in self._changes():
                    job = await video(video_id)
                    yield f"event: {job.status}\ndata: {job.model_dump_json()}\n\n".encode()

            return StreamingResponse(states(), media_type="text/event-stream")

        @api.get("/api/v1/videos/{video_id}/content")
        async def content(request: Request) -> Response:
            start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
            breaks = self.cut_after.pop(0) if self.cut_after else None

            async def pieces() -> AsyncIterator[bytes]:
                yield self.content[start : None if breaks is None else start + breaks]
                if breaks is not None:
                    raise ConnectionAbortedError

            headers = {"Content-Length": str(len(self.content) - start)}
            return StreamingResponse(pieces(), 206 if start else 200, headers)

        @api.get("/api/v1/jobs")
        async def page(
            limit: int, state: Annotated[tuple[str, ...], Query()] = (), after: str | None = None
        ) -> dict[str, Any]:
            known = self.job.model_copy(update={"steps": ()})
            found = [known] if after is None and (not state or self.job.state in state) else []
            return {"data": found, "has_more": False}

        @api.get("/api/v1/jobs/{job_id}")
        async def job(job_id: str) -> Job:
            if job_id != self.job.id:
                raise NotFound(f"There is no job {job_id!r}.", field="id")
            given = self.job
            self._looked_at.set()
            return given

        @api.post("/api/v1/videos/{video_id}/cancel")
        async def cancel(video_id: str) -> VideoJob:
            await change(video_id, "cancel")
            return await video(video_id)

        @api.post("/api/v1/jobs/{job_id}/{verb}")
        async def change(job_id: str, verb: str) -> Job:
            if self.job.state in ("completed", "cancelled"):
                raise Conflict("It has ended.", code="already_ended")
            self.happens("task.cancelled" if verb == "cancel" else "task.queued", _after[verb])
            return self.job

        @api.delete("/api/v1/jobs/{job_id}", status_code=204)
        async def delete(job_id: str) -> None:
            if self.job.id != job_id:
                raise NotFound(f"There is no job {job_id!r}.", field="id")
            self.job = self.job.model_copy(update={"id": "vid_gone"})

        @api.get("/api/v1/events")
        async def events(request: Request, job: str | None = None) -> Response:
            sent = int(request.headers.get("last-event-id", self.events[-1].id if self.events else 0))

            async def lines() -> AsyncIterator[bytes]:
                nonlocal sent
                yield f"id: {sent}\n\n".encode()
                async for _ in self._changes():
                    self._listened.set()
                    for event in [e for e in self.events if e.id > sent and job in (None, e.task_id)]:
                        sent = event.id
                        yield f"id: {event.id}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()

            return StreamingResponse(lines(), media_type="text/event-stream")

        @api.get("/api/v1/usage/{table}")
        async def usage(table: str, since: str | None = None) -> Response:
            return Response(self.usage[table], media_type="application/vnd.apache.parquet")

        return self._troubled(api)

    async def _changes(self) -> AsyncIterator[None]:
        """Now, and whenever something has happened; raises when the stream is to be cut."""
        generation, seen = self._generation, -1
        while generation == self._generation:
            if seen != len(self.events):
                seen = len(self.events)
                yield
            await asyncio.sleep(0.005)
        raise ConnectionAbortedError

    def _troubled(self, api: FastAPI) -> Any:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await api(scope, receive, send)
            query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.asked.append((scope["method"], scope["path"] + query, headers))
            trouble = self.troubles.popleft() if self.troubles else None
            if isinstance(trouble, Response):
                return await trouble(scope, receive, send)
            if trouble is None:
                return await api(scope, receive, send)
            if trouble == "lost":
                await api(scope, receive, _swallow)
            # An answer that is announced and does not come: the connection is closed in its middle.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionAbortedError

        return app


async def _swallow(message: Message) -> None:
    pass


_after = {"cancel": "cancelled", "retry": "pending"}

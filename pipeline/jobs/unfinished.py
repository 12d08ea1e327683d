"""An unfinished job as it is now: in memory for whoever asks, in the journal for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pipeline.contracts import ErrorBody, Event, EventType, Job, TaskState, VideoFacts
from pipeline.contracts.states import ENDED
from pipeline.graph import Graph, Node
from pipeline.jobs.journal import Journal
from pipeline.jobs.webhooks import message
from pipeline.nodes.kinds import KINDS
from pipeline.storage import deliveries, events, jobs, steps

if TYPE_CHECKING:
    from sqlalchemy import Connection

PREPARED: Final = 10.0
"""Percent shown when everything is made that is no film; the frames of the films make the rest, each film as much."""

PROGRESS_SECONDS: Final = 0.25
"""Between two progress events of one job, at least."""


class UnfinishedJob:
    """`changed` is told its id at every change. Every event goes through the journal."""

    def __init__(
        self, job: Job, graph: Graph, journal: Journal, changed: Callable[[str], None], webhook: str | None = None
    ) -> None:
        self._job = job
        self._steps = {step.name: step for step in job.steps}
        self._graph = graph
        self._journal = journal
        self._changed = changed
        self._webhook = webhook
        self._told = 0.0
        self._films = {node.name for node in graph.nodes if KINDS[node.kind].medium == "video"}
        self._frames: dict[str, tuple[int, int]] = {}
        """Of films that are being made: frames so far, of how many."""
        self._unsure: set[str] = set()
        """Those that may have more or fewer, because not all of their speech is known."""

    @property
    def state(self) -> TaskState:
        return self._job.state

    @property
    def id(self) -> str:
        return self._job.id

    def snapshot(self) -> Job:
        return self._job.model_copy(update={"steps": tuple(self._steps.values())})

    async def begin(self) -> None:
        """Taken from the queue."""
        await self._move("assigned", "task.started", {"type": self._job.kind, "started_at": _now().isoformat()})

    async def complete(self, result: VideoFacts) -> None:
        total = max(result.frames, (self._job.frames_total or 0) if len(self._films) > 1 else 0)
        frames = {"frames_made": total, "frames_total": total}
        data = {"result": result.model_dump(mode="json"), "duration": self._duration()}
        await self._move("completed", "task.completed", data, message="done", progress=100.0, result=result, **frames)

    async def fail(self, error: ErrorBody, blocked: set[str]) -> None:
        """`blocked`: the steps that can't be done for want of what failed."""
        for name, step in self._steps.items():
            if step.state not in ENDED:
                self.step(name, state="blocked" if name in blocked else "cancelled", completed_at=_now())
        data = {"error": error.model_dump(mode="json", exclude_none=True)}
        await self._move("failed", "task.failed", data, message="failed", error=error)

    async def cancel(self) -> None:
        for name, step in self._steps.items():
            if step.state not in ENDED:
                self.step(name, state="cancelled", completed_at=_now())
        await self._move("cancelled", "task.cancelled", {}, message="cancelled")

    def step_state(self, name: str) -> TaskState:
        return self._steps[name].state

    def step(self, name: str, **update: Any) -> None:
        """A step changes, without waiting for the disk."""
        self._steps[name] = self._steps[name].model_copy(update=update)
        job_id = self.id
        self._journal.post(lambda connection: steps.update(connection, job_id, name, **update))
        self._changed(job_id)

    def work_begins(self, node: Node, attempt: int) -> None:
        """A step is being done."""
        before = self._steps[node.name]
        started = before.started_at or _now()
        if before.state == "pending":
            self.step(node.name, state="assigned", started_at=started)
        state = {} if before.state == "in_progress" else {"state": "in_progress"}
        self.step(node.name, attempts=attempt, **state)
        update: dict[str, Any] = {}
        if node.name in self._films or not self._filming():
            update["message"] = KINDS[node.kind].stage
        if self._job.state == "assigned":
            update |= {"state": "in_progress", "started_at": self._job.started_at or started}
            self._journal.post(lambda connection: jobs.move(connection, self.id, "in_progress", at=started))
        self._update(**update)
        self._progress(force=True)

    def _filming(self) -> bool:
        return any(self._steps[name].state == "in_progress" for name in self._films)

    def work_moves(self, node: Node, made: int, total: int, *, sure: bool = True) -> None:
        """So much of a step is done; of films these are frames, and the total may be what is likely."""
        if node.name not in self._films:
            return
        known = self._job.frames_total is not None
        self._frames[node.name] = (made, total)
        (self._unsure.discard if sure else self._unsure.add)(node.name)
        self._count()
        self._progress(force=not known and self._job.frames_total is not None)

    def work_done(self) -> None:
        """One more step has ended."""
        self._count()
        self._progress()

    def _count(self) -> None:
        """All films together: those that have not begun are taken to be as long as the longest that has."""
        done = {name for name, step in self._steps.items() if step.state == "completed"}
        others = self._steps.keys() - self._films
        percent = PREPARED * len(others & done) / len(others) if others else PREPARED
        longest = max((total for _, total in self._frames.values()), default=None)
        update: dict[str, Any] = {}
        if longest is not None:
            known = {name: self._frames.get(name, (0, longest)) for name in self._films}
            counted = [(total, total) if name in done else known[name] for name, (_, total) in known.items()]
            shares = sum(made / max(1, total) for made, total in counted) / len(counted)
            percent += (99.0 - PREPARED) * min(1.0, shares)
            made, total = (sum(numbers) for numbers in zip(*counted, strict=True))
            update = {"frames_made": made} if self._unsure else {"frames_made": made, "frames_total": total}
        self._update(progress=max(self._job.progress, min(percent, 99.0)), **update)

    def _progress(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        job = self._job
        data = {
            "percent": round(job.progress, 2),
            "message": job.message,
            "frames_made": job.frames_made,
            "frames_total": job.frames_total,
        }

        def write(connection: Connection) -> None:
            if jobs.progress(connection, job.id, job.progress, job.message, job.frames_made, job.frames_total):
                self._event(connection, "task.progress", data)

        self._journal.post(write)

    async def _move(self, state: TaskState, event: EventType, data: dict[str, Any], **update: Any) -> None:
        at = _now()

        def write(connection: Connection) -> None:
            jobs.move(connection, self.id, state, at=at, **update)
            told = self._event(connection, event, data)
            if self._webhook is not None and state in ENDED:
                deliveries.add(connection, self.id, told.id, self._webhook, message(told), at)

        await self._journal.write(write)
        times = {"completed_at": at} if state in ENDED else {}
        self._update(state=state, **times, **update)

    def _event(self, connection: Connection, event: EventType, data: dict[str, Any]) -> Event:
        return events.append(connection, event, self.id, _now(), {"task_id": self.id, **data})

    def _update(self, **update: Any) -> None:
        self._job = self._job.model_copy(update=update)
        self._changed(self.id)

    def _duration(self) -> float:
        started = self._job.started_at or self._job.created_at
        return round((_now() - started).total_seconds(), 3)


def _now() -> datetime:
    return datetime.now(UTC)

"""Runs jobs: the most urgent first, so many at once, each to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final, cast

from pipeline.contracts import ErrorBody, VideoFacts
from pipeline.contracts.states import ENDED
from pipeline.errors import BackendFailed, MouthpieceError
from pipeline.graph import Graph, Node
from pipeline.jobs.builder import Builder
from pipeline.jobs.run import Failed, Product, Run
from pipeline.jobs.runner import Checkpoints, Runner
from pipeline.jobs.turns import Rank, Turns
from pipeline.jobs.unfinished import UnfinishedJob
from pipeline.metrics import Metrics, Outcome
from pipeline.nodes.kinds import KINDS
from pipeline.settings import Jobs as Limits
from pipeline.timings import Call, transport

log = logging.getLogger("mouthpiece.jobs")

PAUSE: Final = 5.0
"""Seconds before a job is taken up again whose end could not be recorded."""


class Entry:
    """A job that waits or runs."""

    def __init__(self, job: UnfinishedJob, graph: Graph, run_id: str, priority: int) -> None:
        self.job = job
        self.graph = graph
        self.run_id = run_id
        self.priority = priority
        self.since = time.perf_counter()
        self.cancelled = False
        self.started = False
        self.ended = asyncio.Event()
        self.waiting: asyncio.Task[None] | None = None
        self.running: asyncio.Task[None] | None = None


class Queue:
    """Jobs between their acceptance and their end. `ended` is told the id of each that has ended. One event loop."""

    def __init__(
        self, runner: Runner, builder: Builder, limits: Limits, metrics: Metrics, ended: Callable[[str], None]
    ) -> None:
        self._runner = runner
        self._builder = builder
        self._limits = limits
        self._metrics = metrics
        self._ended = ended
        self._places = Turns(limits.running)
        self._entries: dict[str, Entry] = {}

    async def open(self, entries: list[Entry]) -> None:
        """Takes up unfinished jobs: those that an earlier life was running, and those that waited then."""
        for entry in entries:
            self._entries[entry.job.id] = entry
        going = await self._runner.open(self._work)
        for entry in entries:
            if entry.run_id not in going:
                self._wait(entry)

    def add(self, entry: Entry) -> None:
        self._entries[entry.job.id] = entry
        self._wait(entry)

    def entry(self, job_id: str) -> Entry | None:
        return self._entries.get(job_id)

    def waiting(self) -> int:
        return sum(not entry.started for entry in self._entries.values())

    def ahead(self) -> list[list[Node]]:
        """For each job that runs, the oldest first, the nodes that are not made yet, in their order."""
        going = sorted((entry for entry in self._entries.values() if entry.running), key=lambda entry: entry.since)
        return [[n for n in entry.graph.nodes if entry.job.step_state(n.name) not in ENDED] for entry in going]

    async def cancel(self, job_id: str) -> None:
        """Returns when the job has ended, which it may have done by itself meanwhile."""
        entry = self._entries.get(job_id)
        if entry is None:
            return
        entry.cancelled = True
        if entry.running is not None:
            entry.running.cancel()
        elif not entry.started:
            if entry.waiting is not None:
                entry.waiting.cancel()
            await entry.job.cancel()
            self._close(entry)
        await entry.ended.wait()

    async def close(self) -> None:
        """Everything stops where it is, to be taken up by a later life."""
        for entry in self._entries.values():
            if entry.waiting is not None:
                entry.waiting.cancel()
            if entry.running is not None:
                entry.running.cancel()
        tasks = [task for entry in self._entries.values() for task in (entry.waiting, entry.running) if task]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._runner.close()

    def _wait(self, entry: Entry) -> None:
        entry.waiting = asyncio.create_task(self._through(entry))
        self._metrics.queued("jobs", self.waiting())

    async def _through(self, entry: Entry) -> None:
        attempt = 0
        while not entry.ended.is_set():
            async with self._places.turn(Rank.of(entry.priority, entry.job.id)):
                try:
                    await self._runner.run(f"{entry.run_id}.{attempt}" if attempt else entry.run_id, entry.job.id)
                except Exception:
                    log.exception("The job %s could not be brought to an end; it is taken up again.", entry.job.id)
            if entry.ended.is_set():
                return
            attempt += 1
            await asyncio.sleep(PAUSE)

    async def _work(self, job_id: str, checkpoints: Checkpoints) -> None:
        entry = self._entries.get(job_id)
        if entry is None or entry.cancelled or entry.job.state in ENDED:
            return
        if entry.running is None:
            entry.running = asyncio.create_task(self._run(entry, checkpoints))
        task = entry.running
        # A run that is cancelled has ended like any other; what runs it is not cancelled with it.
        await asyncio.wait({task})
        entry.running = None
        if task.cancelled():
            raise asyncio.CancelledError  # the process ends; another life goes on with it
        if (error := task.exception()) is not None:
            if entry.waiting is None:
                self._wait(entry)  # taken up from an earlier life: nobody else would try again
            raise error

    async def _run(self, entry: Entry, checkpoints: Checkpoints) -> None:
        job, began = entry.job, time.perf_counter()
        entry.started = True
        self._metrics.started("jobs", began - entry.since)
        self._metrics.queued("jobs", self.waiting())
        outcome: Outcome = "failed"
        try:
            if job.state == "pending":
                await job.begin()
            async with asyncio.timeout(self._limits.job_seconds):
                products = await Run(entry.graph, job, self._builder, entry.priority).build(checkpoints)
            await job.complete(facts(entry.graph, products, time.perf_counter() - began))
            outcome = "completed"
        except asyncio.CancelledError:
            if not entry.cancelled:
                raise
            await job.cancel()
            outcome = "cancelled"
        except Failed as failed:
            await job.fail(_body(failed.error), entry.graph.after(failed.node.name))
        except TimeoutError:
            late = BackendFailed(f"The job was not done after {self._limits.job_seconds:g} s.", code="job_timeout")
            await job.fail(_body(late), set())
        self._metrics.job(job.snapshot().kind, time.perf_counter() - began, outcome)
        self._close(entry)

    def _close(self, entry: Entry) -> None:
        self._entries.pop(entry.job.id, None)
        entry.ended.set()
        self._ended(entry.job.id)


def facts(graph: Graph, products: dict[str, Product], seconds: float) -> VideoFacts:
    """What was made, as the last node's facts say, and what each stage took of what was made for this job, with the
    models' calls told apart from their work as `transport`."""
    target = graph.target
    made = products[target.name]
    spent: dict[str, float] = {}
    calls: list[Call] = []
    for product in (product for product in products.values() if not product.cached):
        for stage, took in cast("dict[str, float]", product.facts.get("timings", {})).items():
            spent[stage] = spent.get(stage, 0.0) + took
        calls += [Call(*each) for each in cast("list[list[float]]", product.facts.get("calls", []))]
    if calls:
        spent["transport"] = transport(calls)
    named: dict[str, Any] = {name: value for name, value in made.facts.items() if name not in ("timings", "calls")}
    return VideoFacts(
        **named,
        bytes=made.size,
        sha256=made.artifact,
        timings={stage: round(took, 4) for stage, took in (*spent.items(), ("total", seconds))},
        backends={KINDS[node.kind].capability: node.backend for node in graph.nodes},
    )


def _body(error: MouthpieceError) -> ErrorBody:
    return ErrorBody(**error.body()["error"])

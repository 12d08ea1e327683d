"""Jobs as their users have them: accepted, looked at, waited for, cancelled, tried again, removed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pipeline.contracts import ClipRequest, Event, Job, JobKind, Step, TaskState, Transcript, VideoRequest
from pipeline.contracts.states import ENDED
from pipeline.errors import Busy, Conflict, Damaged, NotFound
from pipeline.graph import Graph, Node, digest_of
from pipeline.ids import new_id
from pipeline.jobs.builder import Builder
from pipeline.jobs.feed import Feed
from pipeline.jobs.journal import Journal
from pipeline.jobs.queue import Entry, Queue
from pipeline.jobs.run import remade
from pipeline.jobs.runner import Runner
from pipeline.jobs.turns import Rank
from pipeline.jobs.unfinished import UnfinishedJob
from pipeline.jobs.upkeep import Upkeep
from pipeline.jobs.webhooks import Webhooks
from pipeline.metrics import Metrics
from pipeline.plan import UPLOADS, Planner
from pipeline.settings import Settings
from pipeline.storage import events, jobs, nodes
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.parcels import unpack_transcript

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("mouthpiece.jobs")

PREFIXES: Final[dict[JobKind, str]] = {"video": "vid"}


class Jobs:
    """Every job of one data folder. One event loop; `open` before anything else."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        feed: Feed,
        planner: Planner,
        builder: Builder,
        runner: Runner,
        artifacts: Artifacts,
        metrics: Metrics,
        webhooks: Webhooks,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._feed = feed
        self._planner = planner
        self._builder = builder
        self._artifacts = artifacts
        self._metrics = metrics
        self._webhooks = webhooks
        self._queue = Queue(runner, builder, settings.jobs, metrics, self._ended)
        self._upkeep = Upkeep(settings.storage, journal, artifacts, metrics, self.delete, builder.holding)
        builder.when_full(self._upkeep.make_room)
        self._changed = asyncio.Condition()
        self._changes = 0
        self._telling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Takes up what an earlier life accepted and did not end."""
        await self._feed.open(self._journal)
        await self._journal.write(jobs.recover)
        unfinished = await self._journal.read(jobs.unfinished)
        entries = [await self._entry(await self.get(job_id)) for job_id, *_ in unfinished]
        await self._queue.open(entries)
        if entries:
            log.info("%d jobs of an earlier life go on.", len(entries))
        self._webhooks.start()
        self._upkeep.start()

    async def close(self) -> None:
        await self._upkeep.close()
        await self._webhooks.close()
        await self._queue.close()
        await self._journal.settle()

    # Accepting

    async def submit(self, request: VideoRequest | ClipRequest, key: str | None = None) -> Job:
        """Accepts a request; raises what planning it raises, `Busy` when the queue is full, `Conflict` for a key
        that another request had. When this returns, no crash takes the job away any more."""
        digest = await asyncio.to_thread(_digest, request)
        if key is not None:
            known = await self._journal.read(lambda c: jobs.keyed(c, key, digest))
            if known is not None:
                return known
        if self._queue.waiting() >= self._settings.jobs.queued:
            raise Busy(f"{self._settings.jobs.queued} jobs are waiting already.", code="queue_full", retry_after=10)
        if request.webhook is not None:
            await self._webhooks.check(request.webhook)
        planned = self._planner.clip(request) if isinstance(request, ClipRequest) else self._planner.plan(request)
        graph = await planned
        job = Job(
            id=new_id(PREFIXES["video"]),
            state="pending",
            message="queued",
            priority=request.priority,
            created_at=datetime.now(UTC),
            steps=tuple(Step(name=node.name, kind=node.kind, backend=node.backend) for node in graph.nodes),
        )
        # A client that goes away meanwhile leaves a job, not half of one.
        return await asyncio.shield(self._add(job, request, graph, digest, key))

    async def _add(
        self, job: Job, request: VideoRequest | ClipRequest, graph: Graph, digest: str, key: str | None
    ) -> Job:
        fields = request.model_dump(mode="json", exclude=set(UPLOADS))
        limit = self._settings.jobs.queued

        def write(connection: Connection) -> Job:
            return jobs.add(
                connection,
                job,
                request=fields,
                plan=graph.model_dump(mode="json"),
                digest=digest,
                uploads=sorted(graph.given()),
                key=key,
                webhook=request.webhook,
                limit=limit,
            )

        added = await self._journal.write(write)
        if added.id == job.id:
            self._queue.add(self._new_entry(added, graph, request.webhook))
            self._changed_job(job.id)
        return added

    async def _entry(self, job: Job) -> Entry:
        plan = await self._journal.read(lambda c: jobs.plan(c, job.id))
        webhook = await self._journal.read(lambda c: jobs.webhook(c, job.id))
        return self._new_entry(job, Graph.model_validate(plan), webhook)

    def _new_entry(self, job: Job, graph: Graph, webhook: str | None) -> Entry:
        unfinished = UnfinishedJob(job, graph, self._journal, self._changed_job, webhook)
        return Entry(unfinished, graph, f"{job.id}.{job.attempt}", job.priority)

    # Looking

    async def get(self, job_id: str) -> Job:
        """With its steps. Raises `NotFound`."""
        entry = self._queue.entry(job_id)
        return entry.job.snapshot() if entry else await self._journal.read(lambda c: jobs.get(c, job_id))

    async def page(
        self, limit: int, after: str | None, kind: JobKind | None = None, states: tuple[TaskState, ...] = ()
    ) -> list[Job]:
        """Newest first, without their steps."""
        found = await self._journal.read(lambda c: jobs.page(c, limit, after, kind, states))
        return [self._now(job) for job in found]

    def _now(self, job: Job) -> Job:
        entry = self._queue.entry(job.id)
        return entry.job.snapshot().model_copy(update={"steps": ()}) if entry else job

    def ahead(self) -> list[list[Node]]:
        """For each job that runs, the oldest first, the nodes that are not made yet, in their order."""
        return self._queue.ahead()

    async def counts(self) -> dict[TaskState, int]:
        return await self._journal.read(jobs.counts)

    async def wait(self, job_id: str, seconds: float) -> Job:
        """The job as it ends, or as it is after so long."""
        try:
            async with asyncio.timeout(seconds):
                async for job in self.watch(job_id):
                    if job.state in ENDED:
                        return job
        except TimeoutError:
            pass
        return await self.get(job_id)

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now, then whenever it has changed, until it has ended. States that nobody was ready for are passed
        over."""
        shown: Job | None = None
        while True:
            seen = self._changes
            job = await self.get(job_id)
            if job != shown:
                shown = job
                yield job
                if job.state in ENDED:
                    return
            async with self._changed:
                await self._changed.wait_for(lambda: self._changes != seen)  # noqa: B023 - checked at once

    def follow(self) -> AsyncIterator[list[Event]]:
        return self._feed.follow()

    async def events(self, after: int, job_id: str | None, limit: int) -> list[Event]:
        return await self._journal.read(lambda c: events.since(c, after, job_id, limit))

    # Changing

    async def cancel(self, job_id: str) -> Job:
        """Raises `Conflict` for a job that has ended."""
        job = await self.get(job_id)
        if job.state in ENDED:
            raise Conflict(f"The job {job_id} is {job.state} already.", code="already_ended")
        await self._queue.cancel(job_id)
        return await self.get(job_id)

    async def retry(self, job_id: str) -> Job:
        """A failed job, from the steps that failed. Raises `Conflict` for one that has not failed."""
        await self.get(job_id)
        job = await self._journal.write(lambda c: jobs.retry(c, job_id))
        entry = await self._entry(job)
        self._queue.add(entry)
        self._changed_job(job_id)
        return entry.job.snapshot()

    async def delete(self, job_id: str) -> None:
        """Removes a job, what was uploaded for it and what it made, unless another job has use of it."""
        job = await self.get(job_id)
        await self._queue.cancel(job_id)
        graph = Graph.model_validate(await self._journal.read(lambda c: jobs.plan(c, job_id)))

        from pipeline.storage.references import references

        def remove(connection: Connection) -> set[str]:
            mine = graph.given() | {step.artifact for step in jobs.get(connection, job_id).steps if step.artifact}
            jobs.delete(connection, job_id)
            events.append(connection, "task.deleted", job_id, datetime.now(UTC), {"task_id": job_id})
            orphans = mine - set(references(connection, unused_since=datetime.now(UTC) + timedelta(days=1)))
            for digest in orphans:
                nodes.forget(connection, digest)
            return orphans

        log.debug("removing %s, %s", job_id, job.state)
        for digest in await self._journal.write(remove) - self._builder.holding():
            await asyncio.to_thread(self._artifacts.delete, digest)
        for step in job.steps:
            if step.kind == "film" and step.key is not None and step.state != "completed":
                await self._builder.forget_passages(step.key)
        self._changed_job(job_id)

    # What was made

    async def artifact(self, job_id: str) -> str:
        """Digest of the finished video, which can be read: made again first, where it was lost or damaged.

        Raises `Conflict` before it is finished.
        """
        job = await self.get(job_id)
        if job.result is None:
            raise Conflict(f"The job {job_id} is {job.state}, not completed.", code="not_completed")
        digest = job.result.sha256
        try:
            await asyncio.to_thread(self._artifacts.verify, digest)
        except (Damaged, NotFound) as error:
            log.warning("%s It is made again.", error.message)
            graph = Graph.model_validate(await self._journal.read(lambda c: jobs.plan(c, job_id)))
            await self._builder.forget(digest)
            made = await remade(graph, self._builder, graph.target.name, Rank.of(job.priority, job_id))
            if made.artifact != digest:
                raise Damaged(
                    f"The video of {job_id} was damaged, and what is made now is another one.", code="not_reproduced"
                ) from error
        return digest

    async def transcript(self, job_id: str) -> Transcript:
        """What is said in a finished video, and when: found when it is first asked for, and kept for as long as what
        no job refers to is. Raises `Conflict` before it is finished and where nobody speaks."""
        job = await self.get(job_id)
        if job.result is None:
            raise Conflict(f"The job {job_id} is {job.state}, not completed.", code="not_completed")
        graph = self._planner.subtitles(Graph.model_validate(await self._journal.read(lambda c: jobs.plan(c, job_id))))
        made = await remade(graph, self._builder, graph.target.name, Rank.of(job.priority, job_id))
        found = unpack_transcript(await asyncio.to_thread(self._artifacts.read, made.artifact))
        if not found.words:
            raise Conflict(
                "Nobody is heard to speak in the recording.",
                code="no_speech",
                accepted="a video in which somebody speaks",
            )
        return found

    def _ended(self, job_id: str) -> None:
        self._webhooks.nudge()
        self._changed_job(job_id)

    def _changed_job(self, _: str) -> None:
        """Wakes those who watch, once for however much has changed."""
        self._changes += 1
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _digest(request: VideoRequest | ClipRequest) -> str:
    """Of everything in a request that differs from the defaults, so that a field which a later version adds leaves the
    digests of before as they are; uploads by their own digests."""
    fields = request.model_dump(mode="json", exclude=set(UPLOADS), exclude_defaults=True)
    return digest_of(fields, dict(_uploads(request)))


def _uploads(request: VideoRequest | ClipRequest) -> Iterator[tuple[str, Any]]:
    for name in UPLOADS:
        data = getattr(request, name, None)
        if data is not None:
            yield name, hashlib.sha256(data).hexdigest()

"""What the coordinator works with: database, store, journal, builder, jobs, put together and opened once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deployments.handles import HandleModels
from deployments.metrics import metrics
from deployments.runtime import Runtime
from pipeline.contracts import Speech, UsageTable
from pipeline.errors import Unavailable
from pipeline.graph import Node
from pipeline.jobs.builder import Builder
from pipeline.jobs.feed import Feed
from pipeline.jobs.jobs import Jobs
from pipeline.jobs.journal import Journal
from pipeline.jobs.live_sessions import LiveSessions
from pipeline.jobs.playback import Playback
from pipeline.jobs.runner import PlainRunner, Runner
from pipeline.jobs.streams import Streams
from pipeline.jobs.turns import Rank
from pipeline.jobs.webhooks import Webhooks
from pipeline.nodes.bench import Bench
from pipeline.plan import Planner
from pipeline.settings import Settings
from pipeline.steps.speak import Speaker
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.owner import Owner
from pipeline.storage.store import open_store

if TYPE_CHECKING:
    from pipeline.storage.database import Database

log = logging.getLogger("mouthpiece.jobs")

ADMISSION: Final = Rank.of(1000, "")
"""What has to be made before a request can be accepted comes before everything: someone is waiting at the door."""

WATCH_SECONDS: Final = 2.0
"""How often the coordinator makes sure that it is the only one."""

EX_TEMPFAIL: Final = 75
"""Exit status of sysexits.h: try again later."""

USAGE_ROWS: Final = 2000
"""Rows read at once for an export."""


class Works:
    """Opens everything when it is first asked for its jobs, on the event loop of whoever asks.

    Raises `Unavailable` where another coordinator works on the same folder or database.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        models: HandleModels,
        speaker: Speaker,
        avatars: AvatarStore,
        runtime: Runtime,
    ) -> None:
        self._settings = settings
        self._runtime: Runtime = runtime
        self._models = models
        self._speaker = speaker
        self._avatars = avatars
        self._metrics = metrics(runtime)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self.artifacts: Artifacts = open_store(settings, folder)
        self._database = _database(settings, folder, runtime)
        self._owner = None if runtime == "process" else Owner(self._database)
        self._opening: asyncio.Task[Jobs] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._journal: Journal | None = None
        self._streams: Streams | None = None
        self._playback: Playback | None = None
        self._live: LiveSessions | None = None

    async def jobs(self) -> Jobs:
        """Raises what opening them raised, and tries again the next time."""
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def streams(self) -> Streams:
        """Raises as `jobs` does."""
        await self.jobs()
        assert self._streams is not None  # noqa: S101 - made before the jobs
        return self._streams

    async def playback(self) -> Playback:
        """Raises as `jobs` does."""
        await self.jobs()
        assert self._playback is not None  # noqa: S101 - made with the jobs
        return self._playback

    async def live(self) -> LiveSessions:
        """Raises as `jobs` does."""
        await self.jobs()
        assert self._live is not None  # noqa: S101 - made before the jobs
        return self._live

    async def _open(self) -> Jobs:
        database = self._database
        feed = Feed()
        owner = self._owner
        journal = self._journal = Journal(database, feed.poke, None if owner is None else owner.guard)
        bench = Bench(self._models, self.artifacts, self._settings)
        builder = Builder(bench, journal, self._metrics)

        async def at_once(node: Node) -> str:
            made, _ = await builder.make(node, {}, ADMISSION, _Nobody())
            return made.artifact

        planner = Planner(self._models, self._settings, self._speaker, self._avatars, self.artifacts, at_once)
        runner = _runner(self._settings, self._folder, self._runtime)
        webhooks = Webhooks(database, self._settings.webhooks, self._metrics)
        self._streams = Streams(bench, planner, builder, self._metrics)
        self._live = LiveSessions(bench, planner, builder, self._metrics)
        jobs = Jobs(self._settings, journal, feed, planner, builder, runner, self.artifacts, self._metrics, webhooks)
        self._playback = Playback(jobs, journal, self.artifacts)
        await jobs.open()
        if owner is not None:
            self._watching = asyncio.create_task(_watch(owner))
        return jobs

    async def close(self) -> None:
        """Nothing may be asked for any more."""
        if self._opening is not None:
            jobs = await self._opening
            if self._streams is not None:
                await self._streams.close()
            if self._live is not None:
                await self._live.close()
            await jobs.close()
        if self._watching is not None:
            self._watching.cancel()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)
        self._database.close()

    def usage(self, table: UsageTable, since: datetime | None) -> Iterator[bytes]:
        """A Parquet file in pieces; reads as it goes."""
        from pipeline.jobs.usage import parquet
        from pipeline.storage.usage import rows

        yield from parquet(table, rows(self._database, table, since, USAGE_ROWS))


async def _watch(owner: Owner) -> None:
    """Ends this process when another coordinator has taken over: whatever it does from then on would be done twice."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            if await asyncio.to_thread(owner.held):
                continue
        except Unavailable:
            continue  # nobody can be asked now, and nobody else can take over
        log.critical("Another coordinator works on this database; this one ends.")
        os._exit(EX_TEMPFAIL)


class _Nobody:
    """Watches a node that belongs to no job yet."""

    def keyed(self, key: str) -> None: ...

    def started(self, attempt: int) -> None: ...

    def told(self, made: int, total: int, *, sure: bool = True) -> None: ...

    def said(self, part: Speech) -> None: ...


def _database(settings: Settings, folder: Path, runtime: Runtime) -> Database:
    from pipeline.storage.database import Database

    if runtime == "process":
        database = Database.in_folder(folder)
        database.create()
        return database
    url = settings.storage.database
    database = Database.in_folder(folder) if url is None else Database(url.get_secret_value())
    database.migrate()
    return database


def _runner(settings: Settings, folder: Path, runtime: Runtime) -> Runner:
    if runtime == "process":
        return PlainRunner()
    from pipeline.jobs.durable import DurableRunner

    url = settings.storage.database
    return DurableRunner.in_folder(folder) if url is None else DurableRunner(url.get_secret_value())

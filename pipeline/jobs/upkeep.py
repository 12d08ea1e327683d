"""What is done from time to time: old jobs go, and what nothing refers to any more; gauges are set."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pipeline.errors import MouthpieceError, NotFound
from pipeline.jobs.journal import Journal
from pipeline.metrics import Metrics
from pipeline.settings import Storage
from pipeline.storage import events, jobs
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.references import references
from pipeline.storage.retention import Swept, make_room, sweep, unreferenced

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("mouthpiece.jobs")

GAUGES_SECONDS: Final = 10.0
SWEEP_SECONDS: Final = 3600.0
"""Between two sweeps; the first comes when the process has lived so long."""

GRACE_SECONDS: Final = 3600.0
"""Age below which nothing is swept: what is being accepted or made now is not referred to yet."""

ROOM: Final = 64 << 20
"""Bytes that are cleared for a step that finds the store full, or a twentieth of the quota, if there is so much."""

ROOM_GRACE_SECONDS: Final = 900.0
"""Age below which nothing goes to make room: longer than a request takes from its upload to its job."""

EVENTS_DAYS: Final = 30.0
"""How long events are kept for listeners that come back."""

PAGE: Final = 100


class Upkeep:
    """Runs until it is closed. `remove` deletes a job by its id, `holding` says what is being worked with right now.
    One event loop."""

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        artifacts: Artifacts,
        metrics: Metrics,
        remove: Callable[[str], Awaitable[None]],
        holding: Callable[[], set[str]],
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._artifacts = artifacts
        self._metrics = metrics
        self._remove = remove
        self._holding = holding
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(_every(GAUGES_SECONDS, self.gauge)),
            asyncio.create_task(_every(SWEEP_SECONDS, self.clean)),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def gauge(self) -> None:
        self._metrics.jobs(await self._journal.read(jobs.counts))
        quota = self._storage.quota_gigabytes
        used = await asyncio.to_thread(self._artifacts.used)
        self._metrics.artifacts(used, None if quota is None else round(quota * 2**30))

    async def clean(self, now: datetime | None = None) -> Swept:
        """Removes jobs that ended longer ago than they are kept, events, and what then has no use any more."""
        now = now or datetime.now(UTC)
        if self._storage.keep_days is not None:
            for job_id in await self._outdated(now - timedelta(days=self._storage.keep_days)):
                try:
                    await self._remove(job_id)
                except NotFound:
                    continue  # someone else was quicker
        await self._journal.write(lambda c: events.prune(c, now - timedelta(days=EVENTS_DAYS)))
        keep = self._keep(now - timedelta(days=self._storage.cache_days))
        began = time.time()
        swept = await asyncio.to_thread(sweep, self._artifacts, keep, grace_seconds=GRACE_SECONDS, now=began)
        if swept.removed:
            log.info("%d artifacts of %.1f MiB were of no use any more.", swept.removed, swept.bytes / 2**20)
        return swept

    async def make_room(self) -> bool:
        """Removes what no job refers to, used longest ago first, until a step may find room; says whether any went."""
        quota = self._storage.quota_gigabytes or 0.0
        needed = max(ROOM, round(quota * 2**30 / 20))
        keep = self._keep(datetime.now(UTC) + timedelta(days=1))
        began = time.time()

        def work() -> Swept:
            droppable = unreferenced(self._artifacts, keep, grace_seconds=ROOM_GRACE_SECONDS, now=began)
            return make_room(self._artifacts, needed, droppable)

        swept = await asyncio.to_thread(work)
        log.warning("%d artifacts of %.1f MiB went to make room.", swept.removed, swept.bytes / 2**20)
        return swept.removed > 0

    def _keep(self, unused_since: datetime) -> Callable[[], set[str]]:
        """For a sweep, which calls it from its own thread."""
        loop = asyncio.get_running_loop()

        def named(connection: Connection) -> set[str]:
            return set(references(connection, unused_since=unused_since))

        async def all_named() -> set[str]:
            return await self._journal.write(named) | self._holding()

        return lambda: asyncio.run_coroutine_threadsafe(all_named(), loop).result()

    async def _outdated(self, before: datetime) -> list[str]:
        found: list[str] = []
        after: str | None = None
        ended = ("completed", "failed", "blocked", "cancelled")
        while page := await self._journal.read(lambda c, a=after: jobs.page(c, PAGE, a, None, ended)):
            found += [job.id for job in page if job.completed_at is not None and job.completed_at < before]
            after = page[-1].id
        return found


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except MouthpieceError as error:
            log.warning("Upkeep could not be done now: %s", error.message)
        except Exception:
            # It is done again later; the work of the jobs does not depend on it.
            log.exception("Upkeep failed")

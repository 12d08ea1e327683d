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
from pipeline.storage.retention import Swept, sweep

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = logging.getLogger("mouthpiece.jobs")

GAUGES_SECONDS: Final = 10.0
SWEEP_SECONDS: Final = 3600.0
"""Between two sweeps; the first comes when the process has lived so long."""

GRACE_SECONDS: Final = 3600.0
"""Age below which nothing is swept: what is being accepted or made now is not referred to yet."""

EVENTS_DAYS: Final = 30.0
"""How long events are kept for listeners that come back."""

PAGE: Final = 100


class Upkeep:
    """Runs until it is closed. `remove` deletes a job by its id. One event loop."""

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        artifacts: Artifacts,
        metrics: Metrics,
        remove: Callable[[str], Awaitable[None]],
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._artifacts = artifacts
        self._metrics = metrics
        self._remove = remove
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
        unused_since = now - timedelta(days=self._storage.cache_days)
        loop = asyncio.get_running_loop()

        def keep() -> set[str]:
            def named(connection: Connection) -> set[str]:
                return set(references(connection, unused_since=unused_since))

            return asyncio.run_coroutine_threadsafe(self._journal.write(named), loop).result()

        began = time.time()
        swept = await asyncio.to_thread(sweep, self._artifacts, keep, grace_seconds=GRACE_SECONDS, now=began)
        if swept.removed:
            log.info("%d artifacts of %.1f MiB were of no use any more.", swept.removed, swept.bytes / 2**20)
        return swept

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

"""The client against the real routes of jobs, events and usage; behind them jobs that the test moves by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from clients.python.client import Client
from pipeline.contracts import VideoRequest
from pipeline.errors import Conflict, NotFound
from tests.api.memory import MemoryOperations, Served

T = TypeVar("T")
Work = Callable[[MemoryOperations, Client], Awaitable[None]]


def between(work: Work) -> None:
    """Runs `work` with a client of a server on this thread's loop: the client's own calls go to another thread."""

    async def run() -> None:
        operations = MemoryOperations()
        async with Served(operations) as url:
            with Client(url) as client:
                await work(operations, client)

    asyncio.run(run())


async def off(call: Callable[..., T], *arguments: object) -> T:
    return await asyncio.to_thread(call, *arguments)


def test_jobs_are_listed_and_changed() -> None:
    async def work(there: MemoryOperations, client: Client) -> None:
        failed, waiting = there.add("failed"), there.add()
        assert {job.id for job in await off(client.jobs)} == {failed, waiting}
        found = await off(client.jobs, 20, None, "video", ("failed", "blocked"))
        assert [job.id for job in found] == [failed]
        assert [step.name for step in (await off(client.job, waiting)).steps] == ["locate", "speak.0001", "film"]
        assert (await off(client.retry_job, failed)).attempt == 2
        assert (await off(client.cancel_job, waiting)).state == "cancelled"
        with pytest.raises(Conflict):
            await off(client.cancel_job, waiting)
        await off(client.delete_job, waiting)
        with pytest.raises(NotFound):
            await off(client.job, waiting)

    between(work)


def test_a_key_is_one_video() -> None:
    async def work(there: MemoryOperations, client: Client) -> None:
        request = VideoRequest(text="Hello.", priority=3, webhook="https://example.org/told")
        made = await off(client.render, request, "mine")
        assert (await off(client.render, request, "mine")).id == made.id
        assert there.requests == [request]
        with pytest.raises(Conflict):
            await off(client.render, VideoRequest(text="Something else."), "mine")
        assert (await off(client.render, request)).id != made.id

    between(work)


def test_a_job_is_watched_though_the_coordinator_dies() -> None:
    async def work(there: MemoryOperations, client: Client) -> None:
        watched = there.add()
        with closing(client.watch_job(watched)) as states:
            assert (await off(next, states)).state == "pending"
            await there.moves(watched, "in_progress", message="filming", progress=20.0)
            there.happens("task.started", watched)
            assert (await off(next, states)).state == "in_progress"
            there.happens("task.progress", watched, percent=30.0, message="filming", frames_made=3, frames_total=9)
            assert (await off(next, states)).frames_made == 3
            there.leaves()
            await there.completes(watched)
            asyncio.get_running_loop().call_later(0.3, there.returns)
            there.happens("task.completed", watched)
            assert [job.state for job in await off(list, states)] == ["completed"]

    between(work)


def test_events_are_told_once_and_in_order() -> None:
    async def work(there: MemoryOperations, client: Client) -> None:
        mine, other = there.add(), there.add()
        kept = [there.happens("task.queued", mine), there.happens("task.queued", other)]
        with closing(client.events(after=0)) as all_of_them, closing(client.events(kept[0].id, mine)) as one_job:
            assert [await off(next, all_of_them) for _ in kept] == kept
            new = [there.happens("task.started", other), there.happens("task.started", mine)]
            assert [await off(next, all_of_them) for _ in new] == new
            assert await off(next, one_job) == new[1]

    between(work)


def test_usage_is_asked_for_in_utc() -> None:
    async def work(there: MemoryOperations, client: Client) -> None:
        since = datetime.fromisoformat("2026-11-01T00:00+02:00")
        assert b"".join(await off(list, client.usage("steps", since))) == b"PAR1steps"
        await off(list, client.usage("jobs"))
        assert there.asked_for_usage == [("steps", since.astimezone(UTC)), ("jobs", None)]

    between(work)

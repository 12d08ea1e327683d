"""Listeners get every event once and in order, whatever happens at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar

import pytest

from deployments.ingress import event_feed
from deployments.ingress.event_feed import PAGE, WAITING, EventFeed, Listener, newest
from pipeline.contracts import Event
from pipeline.errors import NotFound, Unavailable
from tests.api.memory import MemoryOperations

Test = Callable[[MemoryOperations, EventFeed], Awaitable[None]]


def play(test: Test) -> None:
    async def run() -> None:
        operations = MemoryOperations()
        async with asyncio.timeout(30):
            await test(operations, EventFeed(operations))

    asyncio.run(run())


async def all_of(listener: Listener, seconds: float = 0.05) -> list[int]:
    """Ids of what comes until nothing does."""
    found: list[int] = []
    while batch := await listener.next(seconds):
        found += [notice.id for notice in batch]
    return found


async def until(listener: Listener, last: int) -> list[int]:
    found: list[int] = []
    while listener.last < last:
        found += [notice.id for notice in await listener.next(5)]
    return found


def ids(operations: MemoryOperations, after: int = 0, job: str | None = None) -> list[int]:
    return [event.id for event in operations.kept if event.id > after and job in (None, event.task_id)]


def test_from_now_on() -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        operations.happens("task.queued", "a")
        async with feed.listen() as listener:
            assert await all_of(listener) == []
            operations.happens("task.started", "a")
            operations.happens("task.started", "b")
            assert await all_of(listener) == ids(operations, after=1)

    play(test)


def test_from_an_id() -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        for _ in range(3 * PAGE + 1):
            operations.happens("task.progress", "a")
        async with feed.listen(after=5) as listener:
            assert listener.behind
            operations.happens("task.completed", "a")
            assert await all_of(listener) == ids(operations, after=5)
            assert not listener.behind

    play(test)


def test_of_one_job() -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        mine, other = operations.add(), operations.add()
        for job in (mine, other, other):
            operations.happens("task.queued", job)
        async with feed.listen(mine, after=0) as listener:
            for job in (other, mine):
                operations.happens("task.started", job)
            assert await all_of(listener) == ids(operations, job=mine)
        with pytest.raises(NotFound):
            await feed.listen("vid_none").__aenter__()
        assert feed.listeners == 0

    play(test)


def test_what_happens_while_kept_events_are_read_is_told_once() -> None:
    """At every read more happens, between what was read and the answer."""

    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        for _ in range(2 * PAGE):
            operations.happens("task.progress", "a")
        left = 20

        def more() -> None:
            nonlocal left
            for _ in range(min(left, 7)):
                left -= 1
                operations.happens("task.progress", "a")

        operations.while_reading = more
        async with feed.listen(after=0) as listener:
            assert await all_of(listener) == ids(operations)
        assert left == 0

    play(test)


@pytest.mark.parametrize("seed", range(5))
def test_many_listeners_come_and_go_while_much_happens(seed: int) -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        chance = random.Random(seed)
        jobs = [operations.add() for _ in range(3)]
        total = 3000

        async def work() -> None:
            for number in range(total):
                operations.happens("task.progress", chance.choice(jobs))
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
                if number == total // 2:
                    operations.leaves()
                    await asyncio.sleep(0.01)
                    operations.returns()
            for job in jobs:
                operations.happens("task.completed", job)

        async def reader(job: str | None) -> None:
            """Reconnects at random, each time after the last id that it saw."""
            found, last = [], 0
            end = "task.completed"
            while True:
                try:
                    async with feed.listen(job, after=last) as listener:
                        for _ in range(chance.randrange(1, 30)):
                            batch = await listener.next(0.5)
                            found += batch
                            last = listener.last
                            await asyncio.sleep(chance.choice([0, 0, 0.001]))
                            if sum(notice.type == end for notice in found) == (1 if job else len(jobs)):
                                assert [notice.id for notice in found] == ids(operations, job=job)
                                return
                except Unavailable:
                    await asyncio.sleep(0.01)

        readers = [reader(chance.choice([None, *jobs])) for _ in range(25)]
        await asyncio.gather(work(), *readers)
        assert feed.listeners == 0

    play(test)


def test_a_slow_listener_holds_up_nobody_and_misses_nothing() -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        async with feed.listen() as slow, feed.listen() as quick:
            assert await all_of(slow) == await all_of(quick) == []
            for _ in range(3):
                for _ in range(WAITING):
                    event = operations.happens("task.progress", "a")
                assert len(await until(quick, event.id)) == WAITING
                assert len(slow._waiting) <= WAITING
            assert slow._overtaken
            assert not quick._overtaken
            assert await all_of(slow) == ids(operations)

    play(test)


def test_a_coordinator_that_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        async with AsyncExitStack() as stack:
            listeners = [await stack.enter_async_context(feed.listen()) for _ in range(20)]
            for listener in listeners:
                assert await listener.next(0.01) == []
            first = operations.happens("task.progress", "a")
            await asyncio.sleep(0.01)
            operations.leaves()
            await asyncio.sleep(0.01)
            operations.happens("task.progress", "a")
            assert [await until(listener, first.id) for listener in listeners[:10]] == [[1]] * 10
            assert await listeners[0].next(0.01) == []
            monkeypatch.setattr(event_feed, "OPEN_SECONDS", 0.05)
            with pytest.raises(Unavailable):
                await feed.listen(after=1).__aenter__()
            operations.returns()
            operations.happens("task.completed", "a")
            found = [await until(listener, 5) for listener in listeners]
            assert found == [[3, 5]] * 10 + [[1, 3, 5]] * 10
        assert operations.streams == 2

    play(test)


def test_a_coordinator_that_does_not_come_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "OPEN_SECONDS", 0.05)

    class Mute(MemoryOperations):
        async def follow_events(self) -> AsyncIterator[list[Event]]:
            await asyncio.sleep(60)
            yield []

    async def test() -> None:
        feed = EventFeed(Mute())
        with pytest.raises(Unavailable):
            await feed.listen().__aenter__()
        assert feed.listeners == 0

    asyncio.run(test())


def test_a_stream_that_was_cancelled_is_opened_again() -> None:
    class Cancelling(MemoryOperations):
        async def follow_events(self) -> AsyncIterator[list[Event]]:
            async for batch in super().follow_events():
                yield batch
                if batch and self.streams == 1:
                    raise asyncio.CancelledError

    async def test() -> None:
        operations = Cancelling()
        feed = EventFeed(operations)
        async with asyncio.timeout(30), feed.listen() as listener:
            for _ in range(3):
                event = operations.happens("task.progress", "a")
                assert await until(listener, event.id) == [event.id]
        assert operations.streams == 2

    asyncio.run(test())


def test_the_stream_is_nobodys_request() -> None:
    """Serve cancels what was called in the context of a request when its client leaves."""
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []

    class Watching(MemoryOperations):
        async def follow_events(self) -> AsyncIterator[list[Event]]:
            seen.append(request.get())
            async for batch in super().follow_events():
                yield batch

    async def test() -> None:
        request.set("of the first listener")
        async with EventFeed(Watching()).listen():
            pass

    asyncio.run(test())
    assert seen == ["none"]


def test_an_id_of_another_store_begins_now() -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        operations.happens("task.queued", "a")
        async with feed.listen(after=1_000_000) as listener:
            assert await all_of(listener) == []
            operations.happens("task.started", "a")
            assert await all_of(listener) == [3]

    play(test)


def test_one_stream_for_all_and_none_for_nobody() -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        async with feed.listen(), feed.listen(), feed.listen(after=0):
            assert feed.listeners == 3
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not operations._followers
        asked = len(operations.asked_for_events)
        async with feed.listen():
            opening = len(operations.asked_for_events) - asked
            async with feed.listen(), feed.listen():
                pass
            assert len(operations.asked_for_events) == asked + opening, "nothing is asked for who begins now"
        assert operations.streams == 2

    play(test)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 100])
def test_the_newest(count: int) -> None:
    async def test(operations: MemoryOperations, feed: EventFeed) -> None:
        for _ in range(count):
            operations.happens("task.progress", "a")
        operations.kept = operations.kept[-3:]
        assert await newest(operations) == (operations.kept[-1].id if count else 0)

    play(test)

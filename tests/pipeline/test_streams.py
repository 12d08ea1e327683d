from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from pipeline.streams import READ_AHEAD, from_thread, into_thread, to_its_end


def test_items_cross_in_order() -> None:
    async def main() -> list[int]:
        return [item async for item in from_thread(lambda: iter(range(100)))]

    assert asyncio.run(main()) == list(range(100))


def test_an_error_is_raised_after_what_came_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("broken")

    async def main() -> None:
        stream = from_thread(broken)
        assert await anext(stream) == 1
        with pytest.raises(LookupError, match="broken"):
            await anext(stream)

    asyncio.run(main())


def test_the_maker_pauses_when_nobody_takes() -> None:
    made = []

    def maker() -> Iterator[int]:
        for i in range(1000):
            made.append(i)
            yield i

    async def main() -> None:
        stream = from_thread(maker)
        await anext(stream)
        before = -1
        while len(made) != before:  # until it stands still
            before = len(made)
            await asyncio.sleep(0.1)
        assert len(made) <= READ_AHEAD + 3
        await stream.aclose()

    asyncio.run(main())


def test_abandoning_the_stream_closes_the_iterator_in_its_thread() -> None:
    closed = threading.Event()
    threads = []

    def maker() -> Iterator[int]:
        threads.append(threading.current_thread())
        try:
            yield from range(10**9)
        finally:
            threads.append(threading.current_thread())
            closed.set()

    async def main() -> None:
        stream = from_thread(maker)
        await anext(stream)
        await stream.aclose()
        assert await asyncio.to_thread(closed.wait, 10)

    asyncio.run(main())
    assert threads[0] is threads[1]


def test_cancelling_the_reader_stops_the_maker() -> None:
    closed = threading.Event()
    go = threading.Event()

    def maker() -> Iterator[int]:
        try:
            yield 1
            go.wait(10)
            yield 2
            yield 3
        finally:
            closed.set()

    async def read() -> None:
        async for _ in from_thread(maker):
            pass

    async def main() -> None:
        task = asyncio.create_task(read())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        assert await asyncio.to_thread(closed.wait, 10)

    asyncio.run(main())


def test_into_thread_takes_from_the_loop() -> None:
    async def source() -> AsyncIterator[int]:
        for i in range(5):
            await asyncio.sleep(0)
            yield i

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(lambda: list(into_thread(source(), loop)))

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_an_error_of_the_source_is_raised_in_the_thread() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise LookupError("gone")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(LookupError, match="gone"):
            await asyncio.to_thread(lambda: list(into_thread(source(), loop)))

    asyncio.run(main())


def test_whoever_is_cancelled_waits_for_his_thread() -> None:
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(20)
        done.set()

    async def run() -> None:
        waiting = asyncio.create_task(to_its_end(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):
            waiting.cancel()
            await asyncio.sleep(0.02)
            assert not waiting.done()
        go.set()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert done.is_set()
        assert await to_its_end(sum, [1, 2]) == 3
        with pytest.raises(ZeroDivisionError):
            await to_its_end(divmod, 1, 0)

    asyncio.run(run())

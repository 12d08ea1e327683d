"""Between threads that compute and the event loop that serves: iterators carried across, both ways."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

READ_AHEAD: Final = 4
"""Items made but not yet taken before the maker pauses: back pressure with a little slack."""

_END: Final = object()

_makers: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()


async def from_thread(start: Callable[[], Iterator[T]]) -> AsyncGenerator[T]:
    """Runs the iterator that `start` makes in a thread and yields what it yields, in order.

    An exception there is raised here. Abandoning this generator closes the iterator, in its own thread, at
    its next item.
    """
    loop = asyncio.get_running_loop()
    items: queue.Queue[Any] = queue.Queue(READ_AHEAD)
    ready = asyncio.Event()
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            try:
                items.put(item, timeout=0.1)
            except queue.Full:
                continue
            loop.call_soon_threadsafe(ready.set)
            return

    def produce() -> None:
        try:
            iterator = start()
            try:
                for item in iterator:
                    put(item)
                    if stopped.is_set():
                        return
            finally:
                close = getattr(iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:  # noqa: BLE001 - raised again on the loop
            put(_Raised(error))
        else:
            put(_END)

    # A thread of its own: the loop's shared pool is small, and a stream may live for minutes.
    thread = threading.Thread(target=produce, name="from_thread", daemon=True)
    _makers.add(thread)
    thread.start()
    try:
        while True:
            try:
                item = items.get_nowait()
            except queue.Empty:
                ready.clear()
                if items.empty():  # looked at again after the clear: one may have come in between
                    await ready.wait()
                continue
            if item is _END:
                return
            if isinstance(item, _Raised):
                raise item.error
            yield item
    finally:
        stopped.set()


async def to_its_end(work: Callable[..., T], *arguments: Any) -> T:
    """As `asyncio.to_thread`, but whoever is cancelled meanwhile waits for the thread: for what must not be used, nor
    freed, while it works."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with suppress(asyncio.CancelledError):  # however often it is said
                await asyncio.wait({running})
        raise


def settle(seconds: float) -> bool:
    """Waits for the threads of abandoned iterators, so that what they hold is cleaned up before the process ends.

    Returns whether all of them ended in time. Blocks: not for an event loop.
    """
    end = time.monotonic() + seconds
    for thread in list(_makers):
        thread.join(max(0.0, end - time.monotonic()))
    return not any(thread.is_alive() for thread in _makers)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def into_thread(source: AsyncIterator[T], loop: asyncio.AbstractEventLoop) -> Iterator[T]:
    """Takes the items of `source`, which lives on `loop`, from another thread. Blocks for each."""

    async def following() -> Any:
        return await anext(source, _END)

    while True:
        item = asyncio.run_coroutine_threadsafe(following(), loop).result()
        if item is _END:
            return
        yield item

"""The coordinator's events, taken once for this process and told to any number of listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Final

from deployments.operations import Operations
from pipeline.contracts import Event
from pipeline.errors import MouthpieceError, Unavailable

log = logging.getLogger("mouthpiece.events")

WAITING: Final = 500
"""Events that wait for one listener. One that is slower has to read what is kept, and nothing grows for it."""
PAGE: Final = 500
"""Events that are kept, read at once."""
READERS: Final = 8
"""Listeners that read what is kept at the same time: all of them want to when the coordinator has come back."""
AGAIN_SECONDS: Final = 0.5
"""Until the coordinator is asked again, after it went away."""
OPEN_SECONDS: Final = 10.0
"""Longest wait of a new listener for a coordinator that is being started."""
WRITES: Final = 180
"""Writes a second to all listeners together: each costs the replica and Serve's proxy half a millisecond or more. They
are spread evenly, so that requests come through in between; what happens meanwhile is written together."""


PAUSE_SECONDS: Final = 0.1
"""From one write to the next to the same listener. What has just been silent is told at once; what happens many times a
second is told in one piece, which is a fraction of the work."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event as all its listeners are told it: encoded once."""

    id: int
    type: str
    json: str

    @staticmethod
    def of(event: Event) -> Notice:
        return Notice(event.id, event.type, event.model_dump_json())


class EventFeed:
    """One subscription to `operations.follow_events` while there is a listener.

    It leans on three promises of the coordinator's: an event is kept before it is told, ids rise in the order in
    which events become readable, and nothing that happens after the first batch of a stream is left out of it.
    Not for several event loops.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._listeners: dict[str | None, set[Listener]] = {}
        self._following: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self._newest = 0
        self._turn = 0.0
        self._readers = asyncio.Semaphore(READERS)

    @asynccontextmanager
    async def listen(self, job_id: str | None = None, after: int | None = None) -> AsyncGenerator[Listener]:
        """A listener to one job, or to all: to what is kept with an id above `after` and then to what happens, each
        event once and in order; without `after`, to what happens from now on.

        Raises `NotFound` for an unknown job, `Unavailable` while the coordinator can't be reached.
        """
        if job_id is not None:
            await self._operations.job(job_id)
        listener = Listener(self, job_id)
        self._add(listener)
        try:
            if not await self.opened(OPEN_SECONDS):
                raise Unavailable("Events can't be followed yet.", retry_after=1)
            if after is None or (after > self._newest and not await self._reached(after)):
                listener.begin(self._newest, behind=False)
            else:
                listener.begin(after, behind=after < self._newest)
            yield listener
        finally:
            self._remove(listener)

    @property
    def listeners(self) -> int:
        return sum(map(len, self._listeners.values()))

    async def turn(self) -> None:
        """Waits until another listener may be written to."""
        now = asyncio.get_running_loop().time()
        self._turn = max(self._turn + 1 / WRITES, now)
        await asyncio.sleep(self._turn - now)

    async def kept(self, job_id: str | None, after: int) -> list[Notice]:
        """At most `PAGE` events that are kept."""
        async with self._readers:
            return [Notice.of(event) for event in await self._operations.events(after, job_id, PAGE)]

    async def opened(self, seconds: float) -> bool:
        """Whether what happens now is being told, or is so within `seconds`."""
        return await _set(self._open, seconds)

    async def _reached(self, event_id: int) -> bool:
        """Whether there is such an event already, or a later one. An id that was not reached is of another store."""
        return bool(await self._operations.events(event_id - 1, None, 1))

    def _add(self, listener: Listener) -> None:
        self._listeners.setdefault(listener.job_id, set()).add(listener)
        if self._following is None:
            # In a context of its own: what is called in that of a request, Serve cancels when its client leaves.
            self._following = asyncio.create_task(self._follow(), name="events", context=Context())

    def _remove(self, listener: Listener) -> None:
        same = self._listeners[listener.job_id]
        same.discard(listener)
        if not same:
            del self._listeners[listener.job_id]
        if not self._listeners and self._following is not None:
            self._following.cancel()
            self._following = None
            self._open.clear()

    async def _follow(self) -> None:
        while True:
            try:
                async for batch in self._operations.follow_events():
                    if not self._open.is_set():
                        self._newest = await newest(self._operations)
                        self._open.set()
                        for listener in self._all():
                            listener.fall_behind()  # something may have happened meanwhile
                    self._tell(batch)
                log.warning("the stream of events ended; opening it again")
            except MouthpieceError as error:
                log.warning("the stream of events broke, opening it again: %s", error)
            except asyncio.CancelledError:
                if _cancelled():
                    raise
                log.warning("the stream of events was cancelled; opening it again")
            except Exception:
                # Ray has many ways to say that a replica is gone; whichever it was, listeners are not left in silence.
                log.exception("the stream of events broke; opening it again")
            self._open.clear()
            await asyncio.sleep(AGAIN_SECONDS)

    def _tell(self, batch: list[Event]) -> None:
        for event in batch:
            self._newest = max(event.id, self._newest)
            notice = Notice.of(event)
            for job_id in (None, event.task_id):
                for listener in self._listeners.get(job_id, ()):
                    listener.offer(notice)

    def _all(self) -> list[Listener]:
        return [listener for same in self._listeners.values() for listener in same]


class Listener:
    """Made by `EventFeed.listen`; for one reader.

    `last` is the id of the newest event that it was given. It is `behind` while there are events that are kept to be
    read before those that happen.
    """

    def __init__(self, feed: EventFeed, job_id: str | None) -> None:
        self._feed = feed
        self._waiting: deque[Notice] = deque()
        self._woken = asyncio.Event()
        self.job_id = job_id
        self.last = 0
        self.behind = True
        self._overtaken = False
        self._pause = 0.0

    def begin(self, last: int, behind: bool) -> None:
        """After which event. Called by the feed, which has told of everything since where it is not `behind`."""
        self.last = last
        self.behind = behind
        self._overtaken = self._overtaken and behind

    def offer(self, notice: Notice) -> None:
        """Something has happened. Called by the feed."""
        if len(self._waiting) >= WAITING:
            self.fall_behind()
        else:
            self._waiting.append(notice)
            self._woken.set()

    def fall_behind(self) -> None:
        """Events can't be given from memory alone. Called by the feed."""
        self._overtaken = True
        self._waiting.clear()
        self._woken.set()

    async def next(self, seconds: float) -> list[Notice]:
        """What happened since, oldest first; empty where nothing does for `seconds`."""
        while True:
            if self.behind or self._overtaken:
                if not await self._feed.opened(seconds):
                    return []
                await self._feed.turn()
                batch = await self._kept()
            else:
                if not await _set(self._woken, seconds):
                    return []
                await asyncio.sleep(max(0.0, self._pause - asyncio.get_running_loop().time()))
                await self._feed.turn()
                if self._overtaken:  # before its turn came
                    continue
                self._woken.clear()
                batch = list(self._waiting)
                self._waiting.clear()
            fresh = [notice for notice in batch if notice.id > self.last]
            if fresh:
                self.last = fresh[-1].id
                self._pause = asyncio.get_running_loop().time() + PAUSE_SECONDS
                return fresh

    async def _kept(self) -> list[Notice]:
        """Reads on, while what happens waits: of that, what was read already is passed over afterwards."""
        self.behind = True
        self._overtaken = False
        self._waiting.clear()
        try:
            page = await self._feed.kept(self.job_id, self.last)
        except MouthpieceError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(AGAIN_SECONDS)
            return []
        self.behind = len(page) == PAGE
        return page


def _cancelled() -> bool:
    """Whether this task is, rather than a call that it made: Ray says both by the same exception."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _set(event: asyncio.Event, seconds: float) -> bool:
    # Not by wait_for, which in Python 3.11 forgets that it was cancelled where the event is set at the same time.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def newest(operations: Operations) -> int:
    """The id of the newest event that is kept, 0 where there is none, in some 2 log2(id) questions."""
    low, probe = 0, 1
    while page := await operations.events(probe, None, 1):
        low = page[0].id
        probe = 2 * low
    high = probe
    while low < high:
        middle = (low + high) // 2
        page = await operations.events(middle, None, 1)
        if page:
            low = page[0].id
        else:
            high = middle
    return low

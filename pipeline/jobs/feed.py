"""Events as they are written, for whoever follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from pipeline.contracts import Event
from pipeline.jobs.journal import Journal
from pipeline.storage import events

BATCH: Final = 500
"""Events read at once."""

BEHIND: Final = 5000
"""Events that a follower may be behind before it is let go: it takes up again from those that are kept."""


class Feed:
    """Reads what was appended and hands it out, in order, each once. One event loop."""

    def __init__(self) -> None:
        self._followers: set[asyncio.Queue[list[Event] | None]] = set()
        self._last = 0
        self._reading: asyncio.Task[None] | None = None
        self._again = False
        self._journal: Journal | None = None

    async def open(self, journal: Journal) -> None:
        self._last = await journal.read(events.last)
        self._journal = journal

    def poke(self) -> None:
        """Something was committed."""
        if self._journal is None or not self._followers:
            return
        self._again = True
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(self._journal))

    async def follow(self) -> AsyncGenerator[list[Event]]:
        """An empty batch, then every event that is written after it. Ends where the follower is too far behind."""
        if self._journal is not None and not self._followers:
            self._last = await self._journal.read(events.last)
        mine: asyncio.Queue[list[Event] | None] = asyncio.Queue(BEHIND)
        self._followers.add(mine)
        try:
            yield []
            while (batch := await mine.get()) is not None:
                yield batch
        finally:
            self._followers.discard(mine)

    async def _read(self, journal: Journal) -> None:
        try:
            while self._again:
                self._again = False
                while batch := await journal.read(lambda c: events.since(c, self._last, None, BATCH)):
                    self._last = batch[-1].id
                    self._hand_out(batch)
        finally:
            self._reading = None

    def _hand_out(self, batch: list[Event]) -> None:
        for follower in list(self._followers):
            if follower.full():
                follower.get_nowait()
                follower.put_nowait(None)
                self._followers.discard(follower)
            else:
                follower.put_nowait(batch)

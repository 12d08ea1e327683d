"""Who may work now: so many at once, the most urgent first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Rank:
    """Whose turn comes first: the higher priority, then the older job, then the earlier node of it."""

    urgency: int
    """The priority with its sign turned."""
    job: str
    """Job ids sort by age."""
    place: int = 0

    @classmethod
    def of(cls, priority: int, job: str, place: int = 0) -> Rank:
        return cls(-priority, job, place)


class Turns:
    """A semaphore whose waiters go by rank. One event loop."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()

    @property
    def waiting(self) -> int:
        return sum(not future.done() for _, _, future in self._waiting)

    @asynccontextmanager
    async def turn(self, rank: Rank) -> AsyncGenerator[None]:
        await self._acquire(rank)
        try:
            yield
        finally:
            self._free += 1
            self._wake()

    async def _acquire(self, rank: Rank) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), future))
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # It was its turn at the very moment that it went away.
                self._free += 1
                self._wake()
            raise

    def _wake(self) -> None:
        while self._free and self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self._free -= 1
                future.set_result(None)

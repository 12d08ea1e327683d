"""Who may work now: so many at once, the most urgent first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
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
    async def turn(self, rank: Rank) -> AsyncGenerator[Turn]:
        turn = Turn(self, rank)
        await turn.take()
        try:
            yield turn
        finally:
            turn.give()

    def release(self) -> None:
        self._free += 1
        self._wake()

    async def acquire(self, rank: Rank) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._arrivals), future))
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # It was its turn at the very moment that it went away.
                self.release()
            raise

    def _wake(self) -> None:
        while self._free and self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                self._free -= 1
                future.set_result(None)


class Turn:
    """One of them, as long as it lasts."""

    def __init__(self, turns: Turns, rank: Rank) -> None:
        self._turns = turns
        self._rank = rank
        self._held = False
        self.aside_seconds = 0.0
        """How long it was let to others, and waited for again."""

    async def take(self) -> None:
        await self._turns.acquire(self._rank)
        self._held = True

    def give(self) -> None:
        """Back, if it is held."""
        if self._held:
            self._held = False
            self._turns.release()

    @asynccontextmanager
    async def aside(self) -> AsyncGenerator[None]:
        """Lets others have it for as long as there is nothing to do; then it is waited for like any other."""
        began = time.perf_counter()
        self.give()
        try:
            yield
            await self.take()
        finally:
            self.aside_seconds += time.perf_counter() - began

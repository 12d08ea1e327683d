"""What a node is made from and that comes while it is made, from whichever job has it first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Source = Callable[[int], Awaitable[str]]
"""Digest of the artifact at a place, from 0 on, as soon as a job has made it. Raises where that job never will."""


@dataclass(frozen=True, slots=True)
class Later:
    """Inputs of a node that may come while it is made already."""

    role: str
    """That they play."""
    keys: tuple[str, ...]
    """Content keys of the nodes that make them, in order: they say what it will be, before it is there."""
    source: Source
    voices: frozenset[str]
    """The backends that make them."""


class Arrivals:
    """Implements `pipeline.nodes.bench.Coming`. `seen` is told each digest. One event loop.

    Where several jobs want the same film, each of them speaks its sentences, or waits for the other: those of a job
    that ends without them come from the others, or never, and then nobody is left who wants the film.
    """

    def __init__(self, count: int, voices: frozenset[str], seen: Callable[[str], None]) -> None:
        self._count = count
        self.voices = voices
        self._seen = seen
        self._digests: dict[int, str] = {}
        self._sources: list[Source] = []
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __len__(self) -> int:
        return self._count

    def known(self) -> tuple[str, ...]:
        """Digests of those that came, in order."""
        return tuple(self._digests[place] for place in sorted(self._digests))

    def add(self, source: Source) -> None:
        self._sources.append(source)
        self._changed.set_result(None)
        self._changed = asyncio.get_running_loop().create_future()

    def remove(self, source: Source) -> None:
        self._sources.remove(source)

    async def digest(self, place: int) -> str:
        while place not in self._digests:
            found = await self._asked(place)
            if found is not None:
                self._digests[place] = found
                self._seen(found)
        return self._digests[place]

    async def _asked(self, place: int) -> str | None:
        """From the first source that has it; None where there is another source."""
        changed = self._changed
        asked = {asyncio.ensure_future(source(place)) for source in self._sources}
        waiting: set[asyncio.Future[str] | asyncio.Future[None]] = {changed, *asked}
        try:
            while changed in waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for each in done & asked:
                    if not each.cancelled() and each.exception() is None:
                        return each.result()
            return None
        finally:
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

"""Listeners to a server's events over SSE, and whether each was told every event once and in order."""

from __future__ import annotations

import asyncio
import json
import time
from array import array
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

import httpx

PATIENCE = httpx.Timeout(60, read=30)
"""Seconds; a stream is silent for 15 at most."""

Event = dict[str, Any]


async def events(
    client: httpx.AsyncClient, after: int, opened: Callable[[], None], wait: float
) -> AsyncGenerator[Event]:
    """One stream: kept events above the id `after`, then what happens, for `wait` seconds or until the server ends it.
    `opened` is called when the subscription holds."""
    rest = b""
    async with client.stream("GET", "/api/v1/events", params={"after": after, "wait": wait}) as stream:
        stream.raise_for_status()
        async for piece in stream.aiter_bytes():
            opened()
            *blocks, rest = (rest + piece).split(b"\n\n")
            for block in blocks:
                if b"\ndata: " in block:  # others say that they begin, or that they are still there
                    yield json.loads(block.partition(b"\ndata: ")[2])


async def kept(client: httpx.AsyncClient, after: int) -> list[Event]:
    """Every event above the id `after` that is kept."""
    found: list[Event] = []
    while True:
        page = [event async for event in events(client, found[-1]["id"] if found else after, lambda: None, 0)]
        if not page:
            return found
        found += page


@dataclass
class Report:
    """What an audience was told of `expected` events. Lags are seconds from event to listener, every one of them."""

    listeners: int
    complete: int
    """Listeners that were told all events, each once, in order."""
    delivered: int
    """To all listeners together."""
    streams: int
    """A stream that ends in good order is taken up again, as browsers do."""
    lags: list[float] = field(repr=False)
    cpu_seconds: float
    """Of the listeners' own process."""


class Audience:
    """`count` listeners of all events above the id `after`, on one event loop."""

    def __init__(self, url: str, count: int, after: int) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(base_url=url, timeout=PATIENCE, limits=limits)
        self._after = after
        self._told = [array("q") for _ in range(count)]
        self._opened = [asyncio.Event() for _ in range(count)]
        self._lags = array("d")
        self._streams = 0
        self._tasks = [asyncio.create_task(self._listen(number)) for number in range(count)]

    async def seated(self) -> None:
        """Returns when every subscription holds. Raises what the first of them that failed did."""
        waiting = asyncio.gather(*(opened.wait() for opened in self._opened))
        await asyncio.wait({waiting, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            if task.done():
                task.result()
        await waiting

    async def report(self, expected: Sequence[int], seconds: float) -> Report:
        """Once all of them have been told the last of the `expected` ids, or after so long. Ends the listening."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not all(told and told[-1] >= expected[-1] for told in self._told):
            await asyncio.sleep(0.05)
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()
        for outcome in outcomes:
            if not isinstance(outcome, asyncio.CancelledError):
                raise outcome if isinstance(outcome, BaseException) else RuntimeError("a listener went away")
        return Report(
            listeners=len(self._told),
            complete=sum(told.tolist() == list(expected) for told in self._told),
            delivered=sum(map(len, self._told)),
            streams=self._streams,
            lags=self._lags.tolist(),
            cpu_seconds=time.process_time(),
        )

    async def _listen(self, number: int) -> None:
        told = self._told[number]
        while True:
            after = told[-1] if told else self._after
            self._streams += 1
            async for event in events(self._client, after, self._opened[number].set, 600):
                told.append(event["id"])
                self._lags.append(time.time() - datetime.fromisoformat(event["at"]).timestamp())


def attend(url: str, count: int, after: int, pipe: Connection) -> None:
    """A process with an audience: says when it is seated, is sent the expected ids and how long to wait for them,
    answers with its `Report`."""

    async def sit() -> None:
        audience = Audience(url, count, after)
        await audience.seated()
        pipe.send("seated")
        expected, seconds = await asyncio.to_thread(pipe.recv)
        pipe.send(await audience.report(expected, seconds))

    asyncio.run(sit())

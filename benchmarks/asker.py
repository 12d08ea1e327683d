"""Somebody who asks a server how its jobs go, at a steady rate, and how long each answer takes."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from multiprocessing.connection import Connection

import httpx

CALLS = 10
"""A second, each at its time, whether or not the one before has been answered."""


class Asker:
    """Asks for any of the jobs that it was told of."""

    def __init__(self, url: str) -> None:
        self.jobs: list[str] = []
        self._seconds = array("d")
        self._client = httpx.AsyncClient(base_url=url, timeout=120)
        self._asking = asyncio.create_task(self._ask())

    async def taken(self) -> list[float]:
        """Seconds from each call to its answer, of those since it was asked for them last. Raises what a call did."""
        if self._asking.done():
            self._asking.result()
        found, self._seconds = self._seconds.tolist(), array("d")
        return found

    async def close(self) -> None:
        """Nothing is asked any more."""
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)
        await self._client.aclose()

    async def _ask(self) -> None:
        choice, due = random.Random(1), time.perf_counter()
        async with asyncio.TaskGroup() as calls:
            while True:
                due += 1 / CALLS
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if self.jobs:
                    calls.create_task(self._call(choice.choice(self.jobs)))

    async def _call(self, job_id: str) -> None:
        began = time.perf_counter()
        (await self._client.get(f"/api/v1/jobs/{job_id}")).raise_for_status()
        self._seconds.append(time.perf_counter() - began)


def inquire(url: str, pipe: Connection) -> None:
    """A process with an asker: is sent the ids of jobs, answers `"times"` with those since the last, ends with None."""

    async def sit() -> None:
        asker = Asker(url)
        told: asyncio.Queue[str | None] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: told.put_nowait(pipe.recv()))
        while (word := await told.get()) is not None:
            if word == "times":
                pipe.send(await asker.taken())
            else:
                asker.jobs.append(word)
        await asker.close()

    asyncio.run(sit())

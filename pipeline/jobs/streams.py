"""The videos that are watched while they are made: begun, taken piece by piece, ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from pipeline.contracts import VideoRequest
from pipeline.errors import Busy, MouthpieceError, NotFound
from pipeline.jobs.builder import Builder
from pipeline.jobs.stream import Stream
from pipeline.jobs.turns import Rank
from pipeline.metrics import Metrics
from pipeline.nodes.bench import Bench
from pipeline.nodes.rules import streamed
from pipeline.plan import Planner

log = logging.getLogger("mouthpiece.jobs")

WATCHED: Final = 1000
"""The priority of what somebody watches."""

STALLED_SECONDS: Final = 900.0
"""A reader who takes nothing for so long has gone, however he went."""


@dataclass(slots=True)
class _Open:
    """A stream, from its request on."""

    since: float
    """When it was asked for a piece last."""
    stream: Stream | None = None
    """None while it is planned."""
    pieces: AsyncGenerator[bytes] | None = None
    asking: asyncio.Task[bytes] | None = None
    """Whoever is after its next piece."""


class Streams:
    """Every stream of this process. One event loop.

    A stream is no job: it is not kept, not in any list, and a crash ends it. What it says and the face that says it are
    kept as those of jobs are.
    """

    def __init__(self, bench: Bench, planner: Planner, builder: Builder, metrics: Metrics) -> None:
        self._bench = bench
        self._planner = planner
        self._builder = builder
        self._metrics = metrics
        self._open: dict[str, _Open] = {}

    async def begin(self, name: str, request: VideoRequest) -> bytes:
        """The first piece of a stream that has this name, which is the reader's choice, from now on. Raises what
        planning raises and what comes before that piece, and `Busy` where as many as may be are open."""
        await self._sweep()
        most = self._bench.settings.jobs.streams
        if len(self._open) >= most:
            raise Busy(f"{most} videos are streamed already.", code="too_many_streams", retry_after=5)
        self._open[name] = opened = _Open(time.monotonic())
        return await self._asked(name, opened, self._begun(name, opened, request))

    async def take(self, name: str) -> bytes:
        """The next piece; empty when all have been taken. Who goes away while he waits ends the stream, and so does
        what is raised here. Raises `NotFound` for a stream that has ended."""
        opened = self._open.get(name)
        if opened is None:
            raise NotFound(f"There is no stream {name!r}.")
        opened.since = time.monotonic()
        return await self._asked(name, opened, self._next(opened))

    async def end(self, name: str) -> None:
        """Stops a stream, if it has not ended."""
        opened = self._open.pop(name, None)
        if opened is None:
            return
        if opened.asking is not None:
            opened.asking.cancel()
            await asyncio.wait({opened.asking})
        if opened.pieces is not None:
            await opened.pieces.aclose()
        if opened.stream is not None:
            self._metrics.frames(f"lipsync-{opened.stream.backend}", opened.stream.frames)

    async def close(self) -> None:
        """Stops all of them."""
        await asyncio.gather(*[self.end(name) for name in list(self._open)])

    async def _asked(self, name: str, opened: _Open, piece: Coroutine[Any, Any, bytes]) -> bytes:
        opened.asking = asyncio.create_task(piece)
        try:
            found = await opened.asking
        except BaseException as error:
            if isinstance(error, Exception) and opened.stream is not None and opened.stream.frames:
                known = isinstance(error, MouthpieceError)
                log.warning(
                    "Stream %s broke off after %d frames: %s",
                    name, opened.stream.frames, error, exc_info=None if known else error,
                )  # fmt: skip
            await self.end(name)
            raise
        if not found:
            await self.end(name)
        return found

    async def _begun(self, name: str, opened: _Open, request: VideoRequest) -> bytes:
        streamed(request, self._bench.models)
        graph = await self._planner.plan(request)
        opened.stream = Stream(graph, self._bench, self._builder, Rank.of(WATCHED, name))
        opened.pieces = opened.stream.pieces()
        return await self._next(opened)

    async def _next(self, opened: _Open) -> bytes:
        return b"" if opened.pieces is None else await anext(opened.pieces, b"")

    async def _sweep(self) -> None:
        # When the next one comes is soon enough: what stands still holds memory, and works no more.
        late = time.monotonic() - STALLED_SECONDS
        for name, opened in list(self._open.items()):
            if opened.since < late and (opened.asking is None or opened.asking.done()):
                log.warning("Stream %s is ended: nobody has taken anything for %g s.", name, STALLED_SECONDS)
                await self.end(name)

"""The live sessions of a process: opened, spoken in, taken from, ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from pipeline.contracts.live import LiveMessage, LiveRequest
from pipeline.errors import Busy, MouthpieceError, NotFound
from pipeline.jobs.builder import Builder
from pipeline.jobs.live_face import LiveFace
from pipeline.jobs.live_session import STALLED_SECONDS, LiveSession, Outgoing
from pipeline.jobs.pace import Pace
from pipeline.jobs.streams import WATCHED
from pipeline.jobs.turns import Rank
from pipeline.metrics import Metrics
from pipeline.nodes.bench import Bench
from pipeline.nodes.rules import streamed
from pipeline.plan import Planner

log = logging.getLogger("mouthpiece.jobs")

AHEAD_SECONDS: Final = 0.5
"""How much sooner a fragment is begun than it is shown: what it may take to draw it, with others at work, and to send
it; and so long what was said before an interruption may still be heard by a client that does not drop it."""


@dataclass(slots=True)
class _Open:
    """A session, from its request on."""

    session: LiveSession | None = None
    """None while it is planned."""
    performing: asyncio.Task[None] | None = None

    @property
    def done(self) -> bool:
        return self.performing is not None and self.performing.done()


class LiveSessions:
    """Every live session of this process. One event loop."""

    def __init__(
        self,
        bench: Bench,
        planner: Planner,
        builder: Builder,
        metrics: Metrics,
        pace: Callable[[], Pace] = lambda: Pace(AHEAD_SECONDS),
        stalled: float = STALLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench = bench
        self._planner = planner
        self._builder = builder
        self._metrics = metrics
        self._pace = pace
        self._stalled = stalled
        self._clock = clock
        self._open: dict[str, _Open] = {}

    async def begin(self, name: str, request: LiveRequest, longest: float) -> None:
        """Opens a session that has this name, which is the client's choice, for at most so many seconds from now on:
        planning, the portrait and stalls count as well. Raises what planning raises, and `Busy` where as many as may be
        are open."""
        latest = self._clock() + longest
        most = self._bench.settings.jobs.live
        if sum(not opened.done for opened in self._open.values()) >= most:
            raise Busy(f"{most} live sessions are open already.", code="too_many_sessions", retry_after=5)
        self._open[name] = opened = _Open()
        try:
            # It is never said: a plan has to say something.
            video = request.video("1")
            streamed(video, self._bench.models)
            graph = await self._planner.plan(video)
        except BaseException:
            self._open.pop(name, None)
            raise
        if self._open.get(name) is not opened:
            return  # ended meanwhile
        face = LiveFace(graph, self._bench, self._builder, Rank.of(WATCHED, name))
        session = opened.session = LiveSession(name, face, self._pace(), latest, self._stalled, self._clock)
        opened.performing = asyncio.create_task(session.perform())

        def over(task: asyncio.Task[None]) -> None:
            self._metrics.frames(f"lipsync-{face.backend}", session.frames)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                known = isinstance(error, MouthpieceError)
                log.warning(
                    "Live session %s broke off after %d frames: %s",
                    name, session.frames, error, exc_info=None if known else error,
                )  # fmt: skip
            # For whoever takes the rest of it; names are used once.
            asyncio.get_running_loop().call_later(STALLED_SECONDS, self._open.pop, name, None)

        opened.performing.add_done_callback(over)

    async def take(self, name: str) -> list[Outgoing]:
        """What goes to the client next, in order: news in JSON and pieces of the video. Empty when all is over. Who
        goes away while he waits ends the session. Raises what ended it, after everything before it, and `NotFound` for
        one that is not there."""
        opened = self._open.get(name)
        if opened is None or opened.session is None or opened.performing is None:
            raise NotFound(f"There is no live session {name!r}.")
        items: list[Outgoing] = []
        try:
            items = await opened.session.take()
            if not items:
                await asyncio.shield(opened.performing)
        finally:
            if not items:
                await self.end(name)
        return items

    async def hear(self, name: str, messages: Iterable[LiveMessage]) -> None:
        """What the client says, in order. Nothing happens where the session has ended meanwhile. Raises as
        `LiveSession.hear`."""
        opened = self._open.get(name)
        if opened is not None and opened.session is not None:
            for message in messages:
                opened.session.hear(message)

    async def end(self, name: str) -> None:
        """Stops a session, if it has not ended."""
        opened = self._open.pop(name, None)
        if opened is not None and opened.performing is not None:
            opened.performing.cancel()
            await asyncio.wait({opened.performing})

    async def close(self) -> None:
        """Stops all of them."""
        await asyncio.gather(*[self.end(name) for name in list(self._open)])

"""The pace of what is watched as it happens: as fast as time, and never far ahead of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Says when a moment of a video is due: `ahead` seconds before it is shown by a player that began with the first.

    What came late stays late: after a delay the rest is not hurried, but for the `ahead` seconds.
    """

    def __init__(
        self,
        ahead: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ahead = ahead
        self._clock = clock
        self._sleep = sleep
        self._origin: float | None = None

    async def until(self, seconds: float) -> None:
        """Waits until the moment `seconds` after the beginning is due."""
        now = self._clock()
        if self._origin is None or now - seconds > self._origin:
            # The first moment; and one that is not there although it should be shown already.
            self._origin = now - seconds
        await self._sleep(max(0.0, self._origin + seconds - self._ahead - now))

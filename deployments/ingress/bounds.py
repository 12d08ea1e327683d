"""How many requests may stay for long, so that there is always room for those that do not."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from pipeline.errors import Busy
from pipeline.metrics import Metrics

LISTENERS: Final = 1000
"""Streams of events that one ingress replica has open."""
WAITING: Final = 500
"""Requests with `wait` that one ingress replica holds; each holds a call of the coordinator's, which takes 1000."""
ONGOING: Final = 2000
"""Requests that one ingress replica takes in all: Serve's `max_ongoing_requests`."""

RETRY_SECONDS: Final = 5.0


class Places:
    """`most` of something at a time; `code` and `message` are of the `Busy` that the next one raises.
    `told` hears how many are taken."""

    def __init__(self, most: int, code: str, message: str, told: Callable[[int], None] | None = None) -> None:
        self._most = most
        self._told = told
        self._code = code
        self._message = message
        self.taken = 0

    @contextmanager
    def one(self, wanted: bool = True) -> Generator[None]:
        """A place for as long as the block lasts; none where none is wanted. Raises `Busy`."""
        if not wanted:
            yield
            return
        if self.taken >= self._most:
            raise Busy(self._message, code=self._code, retry_after=RETRY_SECONDS)
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self.taken += change
        if self._told is not None:
            self._told(self.taken)


class Bounds:
    """The places of one ingress replica."""

    def __init__(self, listeners: int = LISTENERS, waiting: int = WAITING, metrics: Metrics | None = None) -> None:
        self.listeners = Places(
            listeners,
            "too_many_listeners",
            f"{listeners} streams of events are open here already.",
            (metrics or Metrics()).listeners,
        )
        self.waiting = Places(
            waiting, "too_many_waiting", f"{waiting} requests wait here already; ask again without wait."
        )

"""How long each stage of one request took."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar


class Timings:
    """Wall seconds by stage name. A stage measured twice adds up."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._born = time.perf_counter()

    def add(self, stage: str, seconds: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    @contextmanager
    def measure(self, stage: str) -> Generator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def seconds(self) -> dict[str, float]:
        """So far, rounded to 0.1 ms, with `total` since this object was made."""
        total = time.perf_counter() - self._born
        return {stage: round(value, 4) for stage, value in (*self._seconds.items(), ("total", total))}


current: ContextVar[Timings | None] = ContextVar("timings", default=None)
"""The timings of the request being served by this task and its children; the handles add `transport` to it."""

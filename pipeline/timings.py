"""How long each stage of one request took, and what of it was nobody's work."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model, in seconds since the epoch: of the caller's clock, and of the replica's."""

    sent: float
    received: float
    began: float
    ended: float


class Timings:
    """Wall seconds by stage name. A stage measured twice adds up."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._calls: list[Call] = []
        self._born = time.perf_counter()

    def add(self, stage: str, seconds: float) -> None:
        self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def called(self, call: Call) -> None:
        self._calls.append(call)

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

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(self._calls)


current: ContextVar[Timings | None] = ContextVar("timings", default=None)
"""The timings of the request being served by this task and its children; the handles add their calls to it."""


def transport(calls: Iterable[Call]) -> float:
    """Seconds in which a call was out and no replica worked on any: routing, serialisation, hand-over.

    What one call's way takes while another is worked on costs the request nothing. Clocks of two machines that differ
    make it less exact, never negative.
    """
    calls = list(calls)
    away = _covered((call.sent, call.received) for call in calls)
    return away - _covered((max(call.began, call.sent), min(call.ended, call.received)) for call in calls)


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of what the spans cover together."""
    covered, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        if stop > max(start, end):
            covered += stop - max(start, end)
            end = stop
    return covered

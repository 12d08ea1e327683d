"""The pace of a live session: as fast as time, a little ahead of it, and never in a hurry."""

from __future__ import annotations

import asyncio

from pipeline.jobs.pace import Pace


class Clock:
    """Time that passes only where somebody waits, or says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pace = Pace(0.5, lambda: self.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def due(self, seconds: float) -> float:
        asyncio.run(self.pace.until(seconds))
        return round(self.now, 6)


def test_the_beginning_at_once_and_the_rest_as_much_ahead_as_may_be() -> None:
    clock = Clock()
    assert [clock.due(seconds) for seconds in (0, 0.25, 0.5, 0.75, 1.0)] == [100, 100, 100, 100.25, 100.5]


def test_a_delay_within_what_is_ahead_is_made_up_for() -> None:
    clock = Clock()
    assert [clock.due(seconds) for seconds in (0.0, 1.0)] == [100, 100.5]
    clock.now += 0.4
    assert [clock.due(seconds) for seconds in (1.25, 1.5, 1.75, 2.0)] == [100.9, 101.0, 101.25, 101.5]


def test_a_longer_one_stays() -> None:
    clock = Clock()
    assert clock.due(0.0) == 100
    clock.now += 60
    assert [clock.due(seconds) for seconds in (0.25, 0.5, 0.75, 1.0)] == [160, 160, 160, 160.25]

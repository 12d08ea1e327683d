"""What a simulation comes to, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.placement.simulation.world import World


@dataclass(frozen=True, slots=True)
class Report:
    """Waits are from a request's arrival until a replica takes it, in seconds; those never taken count until the
    end."""

    answered: int
    unanswered: int
    loads: int
    p50: float
    p95: float
    longest: float
    working: float
    """Share of the card seconds in which a card had a request in work, at most 1 for each replica's `concurrency`."""


def report(world: World, seconds: float) -> Report:
    """Of the first `seconds`, on the cards that are there at the end."""
    answered = [request for request in world.served if request.done is not None and request.done <= seconds]
    waits = [request.taken - request.arrival for request in world.served if request.taken is not None]
    left = [request for queue in world.queues.values() for request in queue]
    waits += [max(0.0, world.clock - request.arrival) for request in left]
    waits.sort()
    return Report(
        answered=len(answered),
        unanswered=len(left),
        loads=world.loads,
        p50=quantile(waits, 0.5),
        p95=quantile(waits, 0.95),
        longest=waits[-1] if waits else 0.0,
        working=sum(request.seconds for request in answered) / (seconds * max(1, len(world.cards))),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that the share of all does not exceed; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

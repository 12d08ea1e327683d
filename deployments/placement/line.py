"""The line of those that wait for room: oldest first, whoever loses its room or fails to start joins at the end."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from deployments.placement.census import Standing
from deployments.placement.facts import Ticket


def admit(
    standing: Standing, starting: float | None, before: Ticket | None, last: float | None, clock: float
) -> Ticket:
    """The place of a deployment that is asked for and not running. `starting` is when its oldest start under way was
    asked for, `before` the place that it had at the last decision, at the time `last`."""
    if before is None:
        arrival = clock if standing.demand.since is None else standing.demand.since
        # It was not in line at the last decision, whenever its oldest request came: a model that has just been
        # drained does not come back in before those that it was drained for.
        return Ticket(min(clock, max(arrival, -math.inf if last is None else last)), starting=starting)
    if starting is not None:
        return before if before.starting is not None else replace(before, starting=starting)
    if before.starting is not None and not standing.listed:
        return Ticket(clock)  # a start has failed; others first, so that a model that can't start holds up nobody
    return before if before.starting is None else replace(before, starting=None)


def in_order(line: Iterable[tuple[Standing, Ticket]]) -> list[tuple[Standing, Ticket]]:
    """Oldest first; of those that came at once, the oldest request, then the name."""

    def place(entry: tuple[Standing, Ticket]) -> tuple[float, float, str]:
        standing, ticket = entry
        arrival = standing.demand.since
        return ticket.since, ticket.since if arrival is None else arrival, standing.name

    return sorted(line, key=place)

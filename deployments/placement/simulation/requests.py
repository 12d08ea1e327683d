"""Requests of a simulated day: recorded, drawn, or from clients that ask again as soon as they are answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol


@dataclass(slots=True)
class Request:
    """One call of a model, and what became of it. Times in seconds of the simulation's clock."""

    deployment: str
    arrival: float
    seconds: float
    """How long a replica works on it."""
    client: int = 0
    taken: float | None = None
    done: float | None = None

    @property
    def waited(self) -> float | None:
        return None if self.taken is None else self.taken - self.arrival


class Source(Protocol):
    """Where requests come from."""

    def arrivals(self) -> Iterator[Request]:
        """Those whose time is known beforehand, by arrival."""

    def after(self, request: Request) -> Request | None:
        """What the client of a request that is done now asks next."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Requests whose times are given."""

    requests: Sequence[Request]

    def arrivals(self) -> Iterator[Request]:
        return iter(sorted(self.requests, key=lambda request: request.arrival))

    def after(self, request: Request) -> Request | None:  # noqa: ARG002 - nobody waits for an answer
        return None


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of one model each, that send the next request when they have the answer, until `end`."""

    models: Sequence[str]
    """One client each."""
    seconds: tuple[float, float]
    """Shortest and longest work of a request."""
    end: float
    think: float = 0.0
    """Between an answer and the next request."""
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311 - the same day every time

    def _next(self, client: int, clock: float) -> Request:
        return Request(self.models[client], clock, self.random.uniform(*self.seconds), client)

    def arrivals(self) -> Iterator[Request]:
        return (self._next(client, 0.0) for client in range(len(self.models)))

    def after(self, request: Request) -> Request | None:
        if request.done is None or request.done + self.think >= self.end:
            return None
        return self._next(request.client, request.done + self.think)


def read(path: Path) -> Recorded:
    """A recording: JSON lines with `time`, `deployment` and `seconds`. Raises ValueError naming the line."""
    requests = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            request = Request(str(row["deployment"]), float(row["time"]), float(row["seconds"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: {error!r}; a line is"
                ' {"time": seconds, "deployment": name, "seconds": of work}'
            ) from error
        if not (request.arrival >= 0 and request.seconds > 0):
            raise ValueError(f"{path}, line {number}: time must not be negative and seconds must be positive")
        requests.append(request)
    return Recorded(requests)


def poisson(rates: Mapping[str, float], seconds: Mapping[str, float], end: float, random: Random) -> Recorded:
    """Independent arrivals at `rates` a second by deployment; the work is exponential about its mean `seconds`, and
    at most four times as long, so that there is a longest request."""
    requests = []
    for name, rate in rates.items():
        clock = random.expovariate(rate) if rate > 0 else end
        while clock < end:
            work = min(random.expovariate(1 / seconds[name]), 4 * seconds[name])
            requests.append(Request(name, clock, max(work, 0.01)))
            clock += random.expovariate(rate)
    return Recorded(requests)


def popularity(count: int, exponent: float = 1.0) -> list[float]:
    """Shares of `count` models by Zipf's law: the k-th is asked for in proportion to k ** -exponent."""
    weights = [k**-exponent for k in range(1, count + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]

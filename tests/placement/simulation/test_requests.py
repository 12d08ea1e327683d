"""Requests of a simulation: recordings are read or refused, draws are the same every time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from deployments.placement.simulation.requests import Clients, Recorded, poisson, popularity, read


def test_a_recording_is_played_by_time(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text(
        '{"time": 2.5, "deployment": "b", "seconds": 1}\n\n{"time": 0, "deployment": "a", "seconds": 0.5, "note": 1}\n'
    )
    found = [(request.deployment, request.arrival, request.seconds) for request in read(path).arrivals()]
    assert found == [("a", 0.0, 0.5), ("b", 2.5, 1.0)]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        '{"time": 1, "deployment": "a"}',
        '{"time": -1, "deployment": "a", "seconds": 1}',
        '{"time": 1, "deployment": "a", "seconds": 0}',
        '{"time": "x", "deployment": "a", "seconds": 1}',
        '{"time": NaN, "deployment": "a", "seconds": 1}',
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "day.jsonl"
    path.write_text('{"time": 0, "deployment": "a", "seconds": 1}\n' + line)
    with pytest.raises(ValueError, match="line 2"):
        read(path)


def test_arrivals_at_a_rate() -> None:
    def draw() -> Recorded:
        return poisson({"a": 2.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, 1000.0, Random(7))

    found = list(draw().arrivals())
    assert found == list(draw().arrivals())
    assert 1850 < len(found) < 2150
    assert {request.deployment for request in found} == {"a"}
    assert max(request.seconds for request in found) <= 4.0


def test_zipf() -> None:
    shares = popularity(3)
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] == pytest.approx(3 * shares[2])


def test_clients_ask_again_when_they_are_answered_until_the_end() -> None:
    clients = Clients(["a", "b"], (1.0, 1.0), end=10.0, think=0.5)
    first = next(clients.arrivals())
    assert clients.after(first) is None, "it is not answered"
    first.done = 4.0
    following = clients.after(first)
    assert following is not None
    assert (following.deployment, following.arrival) == ("a", 4.5)
    first.done = 9.8
    assert clients.after(first) is None

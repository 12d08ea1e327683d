"""The simulated cluster behaves as Ray Serve does, and answers everything under the real policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from deployments.placement import policy
from deployments.placement.decision import Decision
from deployments.placement.facts import Card, Footprint, Phase, State
from deployments.placement.simulation.report import quantile, report
from deployments.placement.simulation.requests import Recorded, Request
from deployments.placement.simulation.scale_to_zero import ScaleToZero
from deployments.placement.simulation.world import World

CARDS = [Card("card-0", 10)]


class Scripted:
    """Answers what it is told to."""

    def __init__(self, **targets: int) -> None:
        self.targets: Mapping[str, int] = targets

    def __call__(self, *facts: Any, state: State, **more: Any) -> Decision:
        return Decision(self.targets, frozenset(), (), (), (), None, state)


def phases(world: World, name: str) -> list[Phase]:
    return [process.phase for process in world.processes[name]]


def test_a_request_waits_for_the_load_and_not_for_the_next() -> None:
    requests = [Request("a", 0.0, 1.0), Request("a", 5.0, 1.0)]
    world = World(CARDS, {"a": Footprint(need=6, load_seconds=2.0)}, policy.decide)
    world.run(Recorded(requests))
    assert [request.waited for request in requests] == [pytest.approx(2.1), 0.0], "seen a control loop later"
    what = report(world, 10.0)
    assert (what.answered, what.unanswered, what.loads, what.longest) == (2, 0, 1, pytest.approx(2.1))
    assert what.working == pytest.approx(0.2)


def test_a_stopping_replica_finishes_and_holds_its_room() -> None:
    scripted = Scripted(a=1)
    world = World(CARDS, {"a": Footprint(need=6, load_seconds=1.0)}, scripted, stop_seconds=0.5)
    request = Request("a", 0.0, 3.0)
    world.arrive(request)
    world.step(2.0)
    scripted.targets = {"a": 0}
    world.decide()
    world.step(4.2)
    assert request.done == 4.0
    assert phases(world, "a") == [Phase.STOPPING]
    assert world.free == {"card-0": 4}
    world.step(4.6)
    assert world.free == {"card-0": 10}


def test_a_replica_without_room_waits_for_it() -> None:
    scripted = Scripted(a=1, b=1)
    world = World(CARDS, {name: Footprint(need=6, load_seconds=1.0) for name in "ab"}, scripted)
    world.step(2.0)
    assert [process.card for process in world.processes["b"]] == [None]
    scripted.targets = {"a": 0, "b": 1}
    world.decide()
    world.step(4.0)
    assert [process.card for process in world.processes["b"]] == ["card-0"]


def test_a_place_in_the_answer_starts_what_has_requests() -> None:
    """Which is why the policy leaves out what it holds."""
    world = World(CARDS, {"a": Footprint(need=6)}, Scripted(a=0))
    world.arrive(Request("a", 0.0, 1.0))
    world.step(0.5)
    assert phases(world, "a") == [Phase.STARTING]


def test_a_dead_replica_gives_its_room_back_and_its_request_is_asked_again() -> None:
    request = Request("a", 0.0, 3.0)
    world = World(CARDS, {"a": Footprint(need=6, load_seconds=1.0)}, policy.decide)
    world.arrive(request)
    world.step(2.0)
    world.kill(world.processes["a"][0])
    assert world.free == {"card-0": 10}
    world.step(20.0)
    assert request.done == pytest.approx(6.0, abs=0.2)


def test_a_lost_card_takes_its_replicas_along() -> None:
    request = Request("a", 0.0, 3.0)
    world = World([*CARDS, Card("card-1", 8)], {"a": Footprint(need=6, load_seconds=1.0)}, policy.decide)
    world.arrive(request)
    world.step(2.0)
    assert world.processes["a"][0].card == "card-1", "the fuller one"
    world.lose("card-1")
    world.step(20.0)
    assert world.processes["a"][0].card == "card-0"
    assert request.done is not None


def test_ray_alone_lets_the_second_model_starve() -> None:
    """With the default of 600 s before the first one goes; here it is idle all the while."""
    requests = [Request("a", 0.0, 1.0), Request("b", 2.0, 1.0)]
    world = World(CARDS, {name: Footprint(need=6, load_seconds=1.0) for name in "ab"}, ScaleToZero())
    world.run(Recorded(requests), until=500.0)
    assert requests[1].taken is None
    world.step(700.0)
    assert requests[1].waited is not None
    assert 600.0 < requests[1].waited < 660.0


def test_ray_alone_scales_out_after_half_a_minute() -> None:
    requests = [Request("a", 0.0, 1000.0) for _ in range(8)]
    world = World(
        [Card("card-0", 20)], {"a": Footprint(need=5, load_seconds=1.0, max_replicas=3)}, ScaleToZero(), interval=1.0
    )
    world.run(Recorded(requests), until=29.0)
    assert len(world.processes["a"]) == 1
    world.step(60.0)
    assert len(world.processes["a"]) == 3


def test_quantiles() -> None:
    assert quantile([], 0.5) == 0.0
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert quantile([1.0, 2.0], 1.0) == 2.0

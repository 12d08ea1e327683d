"""The optimum of small cases: known answers, and the policy never beats it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.placement import policy
from deployments.placement.facts import Card, Footprint
from deployments.placement.simulation.optimum import fewest_loads, least_wait
from deployments.placement.simulation.requests import Recorded, Request
from deployments.placement.simulation.world import World

NEED = {"a": 3, "b": 4, "c": 5, "d": 7}


@pytest.mark.parametrize(
    ("requests", "loads"),
    [("", 0), ("aaa", 1), ("abab", 2), ("adad", 2), ("dbdb", 4), ("abcab", 4), ("abdab", 4), ("abcabc", 4)],
)
def test_fewest_loads(requests: str, loads: int) -> None:
    assert fewest_loads(requests, NEED, 10) == loads


def test_least_wait_puts_the_swap_where_it_costs_least() -> None:
    requests = [Request("a", 0.0, 1.0), Request("b", 0.0, 1.0), Request("a", 0.0, 1.0)]
    load = {"a": 1.0, "b": 1.0}
    # a loads (1), a, a, then b after the swap: waits of 1, 2 and 1 + 2 + 0.5 + 1.
    assert least_wait(requests, load, 0.5) == (7.5, 5.5)


def test_least_wait_by_trying_all_orders() -> None:
    def brute(left: tuple[Request, ...], resident: str | None, clock: float) -> float:
        if not left:
            return 0.0
        first = {request.deployment: request for request in reversed(left)}
        costs = []
        for name, request in first.items():
            swap = 0.0 if name == resident else 1.0 + (0.25 if resident else 0.0)
            taken = max(clock + swap, request.arrival)
            rest = tuple(other for other in left if other is not request)
            costs.append(taken - request.arrival + brute(rest, name, taken + request.seconds))
        return min(costs)

    for seed in range(30):
        random = Random(seed)
        requests = [Request(random.choice("abc"), random.uniform(0, 4), random.uniform(0.1, 1)) for _ in range(6)]
        ordered = tuple(sorted(requests, key=lambda request: request.arrival))
        found, _ = least_wait(requests, dict.fromkeys("abc", 1.0), 0.25)
        assert found == pytest.approx(brute(ordered, None, 0.0))


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(NEED)), min_size=1, max_size=10))
def test_the_policy_never_loads_less_than_the_optimum(names: list[str]) -> None:
    requests = [Request(name, 20.0 * i, 1.0) for i, name in enumerate(names)]
    world = World([Card("card", 10)], {name: Footprint(need=need) for name, need in NEED.items()}, policy.decide)
    world.run(Recorded(requests))
    best = fewest_loads(names, NEED, 10)
    assert best <= world.loads <= len(names)
    assert len(world.served) == len(names)

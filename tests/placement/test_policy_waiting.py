"""Nobody starves: clients that never stop asking, for models that don't fit together, all wait within the bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.placement import policy
from deployments.placement.bound import longest_request_wait, longest_wait
from deployments.placement.facts import Card, Footprint, Rules
from deployments.placement.simulation.requests import Clients
from deployments.placement.simulation.world import World
from tests.placement.checked import Checked, Decide, Steered

MEASURES = {"longest_request": 0.8, "stop_seconds": 0.25, "interval": 0.2}


def contend(
    budgets: Sequence[int],
    footprints: Mapping[str, Footprint],
    clients: Mapping[str, int],
    *,
    turn: float,
    concerned: Decide = policy.decide,
    seed: int = 0,
) -> World:
    """Clients ask for four times as long as anybody may have to wait; every decision and every request is checked."""
    rules = Rules(turn=turn, turn_per_load=1.0, linger=0.2)
    cards = [Card(f"card-{i}", budget) for i, budget in enumerate(budgets)]
    bound = longest_wait(footprints, cards, rules, **MEASURES)
    steered = Steered(Checked(rules, concerned, faithful=True, **MEASURES))
    world = World(
        cards,
        footprints,
        steered,
        interval=MEASURES["interval"],
        stop_seconds=MEASURES["stop_seconds"],
        choose=steered.choose,
    )
    asking = [name for name, count in clients.items() for _ in range(count)]
    world.run(Clients(asking, (0.05, MEASURES["longest_request"]), end=4 * bound, random=Random(seed)))
    assert {request.deployment for request in world.served} == {name for name, count in clients.items() if count}
    for request in world.served:
        name = request.deployment
        limit = longest_request_wait(
            bound, footprints[name], rules, ahead=clients[name] - 1, longest_request=MEASURES["longest_request"]
        )
        assert request.waited is not None
        assert request.waited <= limit, f"{request} waited longer than {limit:.1f} s"
    assert not any(world.queues.values()), "everything is answered in the end"
    return world


FOOTPRINT = st.builds(
    Footprint,
    need=st.integers(2, 6),
    load_seconds=st.sampled_from([0.2, 1.0]),
    concurrency=st.integers(1, 2),
    max_replicas=st.integers(1, 2),
)


@settings(max_examples=12, deadline=None)
@given(
    budgets=st.lists(st.integers(6, 9), min_size=1, max_size=2),
    models=st.lists(st.tuples(FOOTPRINT, st.integers(1, 4)), min_size=2, max_size=4),
    turn=st.sampled_from([0.5, 2.0]),
    seed=st.integers(0, 1000),
)
def test_every_wait_is_within_the_bound(
    budgets: list[int], models: list[tuple[Footprint, int]], turn: float, seed: int
) -> None:
    footprints = {f"model-{i}": footprint for i, (footprint, _) in enumerate(models)}
    clients = {f"model-{i}": count for i, (_, count) in enumerate(models)}
    contend(budgets, footprints, clients, turn=turn, seed=seed)


def test_models_that_exclude_each_other_take_turns() -> None:
    footprints = {name: Footprint(need=6, load_seconds=0.5) for name in "abc"}
    world = contend([10], footprints, {"a": 4, "b": 4, "c": 4}, turn=2.0)
    answered = [sum(request.deployment == name for request in world.served) for name in "abc"]
    assert min(answered) > 0.6 * max(answered), "and each gets about as much as the others"

"""The checks of the policy can fail: each rule broken on purpose is found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from deployments.placement import policy
from deployments.placement.decision import Decision, Eviction, EvictionCause, WaitCause
from deployments.placement.facts import Card, Demand, Footprint, State, Ticket
from deployments.placement.facts import Phase as ReplicaPhase
from tests.placement.test_policy_machine import Cluster
from tests.placement.test_policy_waiting import contend

Breaks = Callable[..., Decision]


def forgets_who_is_stopping(demand: Any, resident: Any, *facts: Any, **more: Any) -> Decision:
    """Over the budget while a replica drains."""
    return policy.decide(demand, [r for r in resident if r.phase is not ReplicaPhase.STOPPING], *facts, **more)


def forgets_who_is_starting(
    demand: Any, resident: Any, footprints: Any, cards: Any, clock: float, **more: Any
) -> Decision:
    """Asks again and again."""
    there = [r for r in resident if r.phase is not ReplicaPhase.STARTING]
    return policy.decide(demand, there, footprints, cards, clock, **more)


def unpins(demand: Any, resident: Any, footprints: Any, *facts: Any, **more: Any) -> Decision:
    loose = {name: replace(footprint, pinned=False) for name, footprint in footprints.items()}
    return policy.decide(demand, resident, loose, *facts, **more)


def has_no_patience(*facts: Any, rules: Any, **more: Any) -> Decision:
    """Drains the busy before their turn is up."""
    return policy.decide(*facts, rules=replace(rules, turn=0.0, turn_per_load=0.0), **more)


def never_ends_a_turn(*facts: Any, rules: Any, **more: Any) -> Decision:
    return policy.decide(*facts, rules=replace(rules, turn=1e6), **more)


def believes_in_larger_cards(
    demand: Any, resident: Any, footprints: Any, cards: Any, clock: float, **more: Any
) -> Decision:
    """Counts the budget wrongly."""
    larger = [Card(card.id, card.budget + 1) for card in cards]
    return policy.decide(demand, resident, footprints, larger, clock, **more)


def clears_too_much(demand: Any, resident: Any, footprints: Any, cards: Any, clock: float, **more: Any) -> Decision:
    """One idle replica goes along with each that has to."""
    decision = policy.decide(demand, resident, footprints, cards, clock, **more)
    gone = {eviction.replica for eviction in decision.evictions}
    for eviction in decision.evictions:
        for other in resident:
            alone = decision.targets.get(other.deployment) == 1 and not footprints[other.deployment].pinned
            idle = other.phase is ReplicaPhase.RUNNING and not other.ongoing and other.deployment not in demand
            if (
                eviction.cause is EvictionCause.ROOM
                and alone
                and idle
                and other.card == eviction.card
                and other.id not in gone
            ):
                more_gone = Eviction(other.id, other.deployment, other.card, EvictionCause.ROOM, eviction.waiter)
                targets = {**decision.targets, other.deployment: 0}
                return replace(decision, evictions=(*decision.evictions, more_gone), targets=targets)
    return decision


def serves_the_newest(*facts: Any, state: State, **more: Any) -> Decision:
    """Whoever waits longest is put to the end of the line."""
    decision = policy.decide(*facts, state=state, **more)
    waiting = dict(decision.state.waiting)
    if waiting:
        oldest = min(waiting, key=lambda name: waiting[name].since)
        if waiting[oldest].starting is None:
            waiting[oldest] = Ticket(facts[4] + 1.0)
    return replace(decision, state=replace(decision.state, waiting=waiting))


def forgets_the_line(*facts: Any, state: State, **more: Any) -> Decision:
    """Everyone in line is dropped from the answer."""
    decision = policy.decide(*facts, state=state, **more)
    return replace(decision, waiting=tuple(w for w in decision.waiting if w.cause is not WaitCause.TURN))


def sees_one_large_card(demand: Any, resident: Any, footprints: Any, cards: Any, clock: float, **more: Any) -> Decision:
    """Adds up what is free on all cards, and hopes."""
    pool = Card(cards[0].id, sum(card.budget for card in cards))
    moved = [r if r.card is None else replace(r, card=pool.id) for r in resident]
    return policy.decide(demand, moved, footprints, [pool], clock, **more)


def keeps_an_account_of_its_own() -> Breaks:
    """Not a function of the facts."""
    calls = iter(range(10**9))

    def decide(*facts: Any, **more: Any) -> Decision:
        decision = policy.decide(*facts, **more)
        return replace(decision, recheck=float(next(calls)))

    return decide


def loads_in_advance_at_any_price(demand: Any, *facts: Any, hints: Any, **more: Any) -> Decision:
    """Evicts for models that nobody has asked for."""
    wishes = {name: Demand(load=True) for job in hints for name in job} | demand
    decision = policy.decide(wishes, *facts, hints=hints, **more)
    return replace(decision, waiting=tuple(w for w in decision.waiting if w.deployment in demand))


def cuts_a_busy_one_short(demand: Any, resident: Any, footprints: Any, *facts: Any, **more: Any) -> Decision:
    """`keep_alive` is over while there is work."""
    idle = [replace(r, ongoing=0, used=r.since) if footprints[r.deployment].keep_alive >= 0 else r for r in resident]
    return policy.decide({}, idle, footprints, *facts, **more)


BROKEN = [
    forgets_who_is_stopping,
    forgets_who_is_starting,
    unpins,
    has_no_patience,
    believes_in_larger_cards,
    clears_too_much,
    forgets_the_line,
    sees_one_large_card,
    keeps_an_account_of_its_own(),
    loads_in_advance_at_any_price,
    cuts_a_busy_one_short,
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__qualname__.split(".")[0])
def test_the_machine_finds_it_out(broken: Breaks) -> None:
    kind = type("Broken", (Cluster,), {"decide": staticmethod(broken)})
    limits = settings(
        max_examples=300,
        stateful_step_count=30,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(seed(0)(kind), settings=limits)


@pytest.mark.parametrize("broken", [never_ends_a_turn, serves_the_newest], ids=lambda broken: broken.__name__)
def test_starving_is_found_out(broken: Breaks) -> None:
    footprints = {name: Footprint(need=6, load_seconds=0.5) for name in "abc"}
    with pytest.raises(AssertionError, match=r"more than|longer than"):
        contend([10], footprints, {"a": 3, "b": 3, "c": 3}, turn=1.0, concerned=broken)

"""A policy whose every decision is checked against what is promised, from the facts alone, by arithmetic of its own."""

from __future__ import annotations

import copy
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deployments.placement import policy
from deployments.placement.bound import longest_wait
from deployments.placement.decision import Decision, Eviction, EvictionCause, StartCause, WaitCause
from deployments.placement.facts import Card, Demand, Footprint, Phase, Replica, Rules, State
from deployments.placement.simulation.world import Policy, fullest

Decide = Callable[..., Decision]
UNHELPED = (WaitCause.TOO_LARGE, WaitCause.PINNED, WaitCause.UNKNOWN)


class Facts:
    """What one decision was taken on, counted again."""

    def __init__(
        self,
        demand: Mapping[str, Demand],
        resident: Sequence[Replica],
        footprints: Mapping[str, Footprint],
        cards: Sequence[Card],
        clock: float,
        state: State,
        rules: Rules,
    ) -> None:
        self.demand, self.footprints, self.clock, self.state, self.rules = demand, footprints, clock, state, rules
        self.budget = {card.id: card.budget for card in cards}
        self.there = [replica for replica in resident if replica.card is None or replica.card in self.budget]
        self.by_id = {replica.id: replica for replica in self.there}
        self.stays: dict[str, list[Replica]] = defaultdict(list)
        self.free = dict(self.budget)
        self.leaving: Counter[str] = Counter()
        for replica in self.there:
            need = footprints[replica.deployment].need
            if replica.phase is not Phase.STOPPING:
                self.stays[replica.deployment].append(replica)
            if replica.card is not None:
                self.free[replica.card] -= need
                if replica.phase is Phase.STOPPING:
                    self.leaving[replica.card] += need

    def queued(self, name: str) -> int:
        return self.demand.get(name, Demand()).queued

    def turn(self, name: str) -> float:
        return max(self.rules.turn, self.rules.turn_per_load * self.footprints[name].load_seconds)


class Checked:
    """Call it as `policy.decide`. `faithful` where replicas are where the policy put them, so that it answers for
    the budget; `longest_request` and the rest are what the bound on waiting takes."""

    def __init__(
        self,
        rules: Rules,
        decide: Decide = policy.decide,
        *,
        faithful: bool,
        longest_request: float,
        stop_seconds: float,
        interval: float,
    ) -> None:
        self.rules, self.decide, self.faithful = rules, decide, faithful
        self.measures = {"longest_request": longest_request, "stop_seconds": stop_seconds, "interval": interval}
        self.disturbed = 0.0
        """When something last happened that the bound does not cover: a death, a loss, a restart."""
        self.decisions = 0

    def __call__(
        self,
        demand: Mapping[str, Demand],
        resident: Sequence[Replica],
        footprints: Mapping[str, Footprint],
        cards: Sequence[Card],
        clock: float,
        *,
        hints: Sequence[Sequence[str]],
        state: State,
    ) -> Decision:
        given: tuple[Any, ...] = (demand, resident, footprints, cards, clock)
        before = copy.deepcopy((given, hints, state))
        decision = self.decide(*given, hints=hints, state=state, rules=self.rules)
        again = self.decide(*given, hints=hints, state=state, rules=self.rules)
        assert decision == again, "the same facts give the same decision"
        assert before == (given, hints, state), "facts are not changed"
        facts = Facts(demand, resident, footprints, cards, clock, state, self.rules)
        self.decisions += 1
        check_targets(facts, decision)
        if self.faithful:
            check_budget(facts, decision)
            check_minimal(facts, decision)
        check_evictions(facts, decision)
        check_spare(facts, decision)
        self.check_waiting(facts, decision)
        return decision

    def check_waiting(self, facts: Facts, decision: Decision) -> None:
        """Everyone who is asked for and not running is in line, and nobody longer than the bound."""
        in_line = {wait.deployment for wait in decision.waiting}
        for name in facts.demand:
            running = any(r.phase is Phase.RUNNING for r in facts.stays[name])
            assert (facts.queued(name) > 0 and not running) <= (name in in_line), f"{name} is forgotten"
        if not self.faithful:
            return
        cards = [Card(name, budget) for name, budget in facts.budget.items()]
        bound = longest_wait(facts.footprints, cards, facts.rules, **self.measures)
        for wait in decision.waiting:
            if wait.cause not in UNHELPED:
                waited = facts.clock - max(wait.since, self.disturbed)
                assert waited <= bound, f"{wait} for {waited:.2f} s, more than {bound:.2f} s"


class Steered:
    """A policy, and a Ray that puts replicas where the policy expects them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.meant: dict[str, list[str]] = defaultdict(list)

    def __call__(self, *facts: Any, **more: Any) -> Decision:
        decision = self.policy(*facts, **more)
        for start in decision.starts:
            self.meant[start.deployment].append(start.card)
        return decision

    def choose(self, deployment: str, fitting: Sequence[str], free: Mapping[str, int]) -> str:
        """The card that was meant where it has room; otherwise one that the test has to account for."""
        meant = self.meant[deployment]
        card = meant.pop(0) if meant else None
        return card if card is not None and card in fitting else fullest(deployment, fitting, free)


def check_targets(facts: Facts, decision: Decision) -> None:
    gone = Counter(eviction.deployment for eviction in decision.evictions)
    come = Counter(start.deployment for start in decision.starts)
    for name, target in decision.targets.items():
        assert target == len(facts.stays[name]) - gone[name] + come[name] >= 0
        assert not (gone[name] and come[name]), "Serve takes a number: one more and one less is nothing"
        assert target <= max(facts.footprints[name].max_replicas, len(facts.stays[name]))
    assert not decision.held & decision.targets.keys()
    for name in gone | come:
        assert name in decision.targets
    for name in facts.demand:
        if facts.queued(name) and name not in decision.targets:
            assert name in decision.held


def check_budget(facts: Facts, decision: Decision) -> None:
    """What starts now is within what is free now: nothing that is going counts as gone."""
    free = dict(facts.free)
    for start in decision.starts:
        free[start.card] -= facts.footprints[start.deployment].need
        assert free[start.card] >= 0, f"{start} is over the budget of {start.card}"


def check_evictions(facts: Facts, decision: Decision) -> None:
    since = {wait.deployment: wait.since for wait in decision.waiting}
    for eviction in decision.evictions:
        replica = facts.by_id[eviction.replica]
        name = replica.deployment
        footprint = facts.footprints[name]
        assert replica.phase is not Phase.STOPPING, "it goes already"
        assert eviction.drains == (replica.ongoing > 0)
        if footprint.pinned and eviction.cause is not EvictionCause.STUCK:
            assert decision.targets[name] >= 1, f"{name} is pinned"
        if decision.targets[name] == 0 and eviction.cause is not EvictionCause.STUCK:
            last = max(facts.stays[name], key=lambda r: (r.phase is Phase.RUNNING, r.stop_order))
            working = facts.queued(name) > 0 or any(r.ongoing for r in facts.stays[name])
            if not working or replica != last:
                continue  # while others stay, surplus may go at any time
            assert eviction.cause is EvictionCause.ROOM, f"{name} is busy and nobody needs its room"
            assert replica.phase is Phase.RUNNING, "it could not serve anybody yet"
            assert eviction.waiter is not None
            began = max(replica.since, since[eviction.waiter])
            assert facts.clock >= began + facts.turn(name) - 1e-9, f"the turn of {name} is not up"


def check_minimal(facts: Facts, decision: Decision) -> None:
    """Without any one of those that go, the waiter would not fit; and with them it does."""
    by_waiter: dict[str, list[Eviction]] = defaultdict(list)
    for eviction in decision.evictions:
        if eviction.cause is EvictionCause.ROOM and not eviction.collateral:
            assert eviction.waiter is not None
            by_waiter[eviction.waiter].append(eviction)
    place = {wait.deployment: i for i, wait in enumerate(decision.waiting)}
    for waiter, evictions in by_waiter.items():
        (card,) = {facts.by_id[eviction.replica].card for eviction in evictions}
        assert card is not None
        others = [wait for wait in decision.waiting if wait.card == card and wait.deployment != waiter]
        if waiter not in place or any(wait.cause is WaitCause.TURN for wait in others):
            continue  # what others will clear later is not in the answer
        mine = {eviction.replica for eviction in evictions}
        room = facts.free[card] + facts.leaving[card]
        for eviction in decision.evictions:
            replica = facts.by_id[eviction.replica]
            earlier = eviction.waiter is None or place.get(eviction.waiter, len(place)) < place[waiter]
            if replica.card == card and eviction.replica not in mine and earlier:
                room += facts.footprints[replica.deployment].need
        for wait in others:
            before = facts.state.waiting.get(wait.deployment)
            kept = before is not None and before.card == card and before.until == -math.inf
            started = facts.stays[wait.deployment]
            if (place[wait.deployment] < place[waiter] or kept) and not started:
                room -= facts.footprints[wait.deployment].need
        need = facts.footprints[waiter].need
        sizes = [facts.footprints[eviction.deployment].need for eviction in evictions]
        assert room + sum(sizes) >= need, f"{waiter} does not fit on {card} for all that goes"
        assert room + sum(sizes) - min(sizes) < need, f"more goes from {card} for {waiter} than is needed"


def check_spare(facts: Facts, decision: Decision) -> None:
    """Nothing goes for a model that nobody asked for, and only the unused for another replica."""
    for start in decision.starts:
        if start.cause is StartCause.PREWARM:
            assert not facts.queued(start.deployment)
            assert not facts.stays[start.deployment]
    in_line = {wait.deployment for wait in decision.waiting}
    for eviction in decision.evictions:
        if eviction.waiter is not None and eviction.waiter not in in_line:
            replica = facts.by_id[eviction.replica]
            assert replica.used is None
            assert not replica.ongoing
            assert not facts.queued(replica.deployment)

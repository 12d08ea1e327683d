"""Carries out the placement policy in Serve's controller: gathers the facts, asks for a decision, tells Serve."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from deployments.metrics import metrics
from deployments.placement import policy
from deployments.placement.board import Board, card_id
from deployments.placement.decision import Decision, EvictionCause
from deployments.placement.facts import Card, Demand, Footprint, Phase, Replica, Rules, State
from deployments.placement.journal import Journal
from deployments.placement.private_serve import Controller
from deployments.placement.reservation import SHARES
from deployments.placement.residents import Resident, Residents
from deployments.placement.terms import Terms

BOARD_SECONDS: Final = 0.1
"""Wishes and cards are looked up this often; each look-up takes about half a millisecond."""

WISH_SECONDS: Final = 600.0
"""A wish to load a model that is older was forgotten by whoever had it."""

log = logging.getLogger("ray.serve.placement")


class Pilot:
    """One application's placement. Its memory is only a comfort: all of it comes back from what is there.

    `controller` and `clock` are for tests; by default the controller is the one that this process is.
    """

    def __init__(self, controller: Controller | None = None) -> None:
        self._controller = controller or Controller.here()
        self._residents = Residents(self._controller)
        self._state = State()
        self._clock = 0.0
        self._looked = 0.0
        self._cards: list[tuple[str, int]] = []
        self._wishes: dict[str, Any] = {}
        self._needs: dict[str, int] = {}
        self._loads: dict[str, float] = {}
        self._granted: dict[str, float] = {}
        self._journal: Journal | None = None

    def steer(self, contexts: Mapping[Any, Any]) -> dict[Any, float]:
        """Replicas by deployment, where that is not what they have or are about to have."""
        answer: dict[Any, float] = {}
        placed: dict[Any, Terms] = {}
        for deployment, context in contexts.items():
            terms = Terms.of(context.config.policy.policy_kwargs or {})
            if terms is None:
                answer[deployment] = _unplaced(context)
            else:
                placed[deployment] = terms
        if placed:
            answer |= self._place({deployment: contexts[deployment] for deployment in placed}, placed)
        return answer

    def _place(self, contexts: Mapping[Any, Any], terms: Mapping[Any, Terms]) -> dict[Any, float]:
        # Wall time, since replicas on other nodes say when they worked; never backwards, as the policy wants it.
        clock = self._clock = max(self._clock, time.time())
        board = Board(next(iter(contexts)).app_name)
        journal = self._journal = self._journal or Journal(board, metrics("cluster"))
        self._look(board, clock)
        residents = self._residents.all(contexts, board, clock)
        for resident in residents:
            if resident.report is not None and resident.report.load_seconds > 0:
                self._loads[resident.fact.deployment] = resident.report.load_seconds
        needs = {d.name: self._need(t) for d, t in terms.items()}
        footprints = {d.name: self._footprint(d.name, t, needs[d.name]) for d, t in terms.items()}
        first = next(iter(terms.values()))
        facts = self._resized(residents, contexts, terms, needs)
        demand = {d.name: self._demand(d, context, facts, clock) for d, context in contexts.items()}
        decision = policy.decide(
            demand,
            facts,
            footprints,
            [Card(card_id(*card), first.budget) for card in self._cards],
            clock,
            hints=[[name for name in job if name in footprints] for job in self._wishes.get("hints", ())],
            state=self._state,
            rules=Rules(turn=first.turn, turn_per_load=first.turn_per_load, start_limit=first.start_limit),
        )
        self._state = decision.state
        journal.record(decision, residents, demand, footprints, needs, self._cards, first.budget, clock)
        return self._tell(decision, contexts)

    def _look(self, board: Board, clock: float) -> None:
        if clock - self._looked < BOARD_SECONDS:
            return
        import ray

        self._looked = clock
        self._wishes, self._needs = board.wishes(), board.needs()
        self._cards = [
            (node["NodeID"], card)
            for node in sorted(ray.nodes(), key=lambda node: node["NodeID"])
            if node["Alive"]
            for card in range(math.floor(node["Resources"].get("GPU", 0)))
        ]

    def _need(self, terms: Terms) -> int:
        return max(terms.need, self._needs.get(terms.key, 0))

    def _footprint(self, name: str, terms: Terms, need: int) -> Footprint:
        wishes = self._wishes.get("models", {}).get(name, {})
        return terms.footprint(need, self._loads.get(name, 5.0), wishes)

    def _demand(self, deployment: Any, context: Any, facts: Sequence[Replica], clock: float) -> Demand:
        if self._controller is not None:
            queued = self._controller.queued(deployment)
        else:
            queued = math.ceil(context.total_queued_requests - 0.05)
        wish = self._wishes.get("models", {}).get(deployment.name, {})
        running = [r for r in facts if r.deployment == deployment.name and r.phase is Phase.RUNNING]
        load, unload = wish.get("load"), wish.get("unload")
        if load is not None:
            if running:
                self._granted[deployment.name] = load
            if self._granted.get(deployment.name) == load or clock - load > WISH_SECONDS:
                load = None
        asked_to_go = unload is not None and any(replica.since < unload for replica in running)
        return Demand(max(0, queued), load=load is not None, unload=asked_to_go and load is None)

    def _resized(
        self,
        residents: Sequence[Resident],
        contexts: Mapping[Any, Any],
        terms: Mapping[Any, Terms],
        needs: Mapping[str, int],
    ) -> list[Replica]:
        """The replicas as facts. A model that was found to need more gets it with its next replica; one that has less
        goes when it has finished what it works on."""
        if self._controller is None:
            return [resident.fact for resident in residents]
        outgrown: set[str] = set()
        for deployment in contexts:
            shares = terms[deployment].shares(needs[deployment.name])
            if round(self._controller.share(deployment) * SHARES) < shares:
                self._controller.resize(deployment, shares / SHARES)
                log.info("%s reserves %.4f of a card from now on", deployment.name, shares / SHARES)
            size = shares * terms[deployment].unit
            mine = [r for r in residents if r.fact.deployment == deployment.name and r.fact.phase is not Phase.STOPPING]
            small = {r.fact.id for r in mine if r.report is not None and r.report.reserved < size}
            if small:
                outgrown |= small
                if len(mine) - len(small) < contexts[deployment].target_num_replicas:
                    self._controller.retarget(deployment, len(mine) - len(small))
        return [
            Replica(f.id, f.deployment, f.card, Phase.STOPPING, f.since, f.ongoing, f.used, f.stop_order)
            if f.id in outgrown
            else f
            for f in (resident.fact for resident in residents)
        ]

    def _tell(self, decision: Decision, contexts: Mapping[Any, Any]) -> dict[Any, float]:
        answer: dict[Any, float] = {}
        # What is loaded in advance would take processor and disk from what somebody waits for.
        later = {start.deployment for start in decision.prewarms} if decision.waiting else set()
        for deployment, context in contexts.items():
            target = None if deployment.name in later else decision.targets.get(deployment.name)
            if target is None or target == context.target_num_replicas:
                continue
            # Serve starts one at least for whoever waits where none runs, and goes from several to none by way of one.
            forced = context.current_num_replicas == 0 and context.total_num_requests > 0
            if not forced and (target > 0 or context.target_num_replicas == 1):
                answer[deployment] = target
            elif self._controller is not None:
                self._controller.retarget(deployment, target)
            elif target > 0 or not forced:
                answer[deployment] = target
        if self._controller is not None:
            deployments = {deployment.name: deployment for deployment in contexts}
            for eviction in decision.evictions:
                if eviction.cause is EvictionCause.STUCK:
                    self._controller.end(deployments[eviction.deployment], eviction.replica)
        return answer


def _unplaced(context: Any) -> float:
    """What Serve itself would do with a deployment that needs no card."""
    from ray.serve.autoscaling_policy import replica_queue_length_autoscaling_policy

    return replica_queue_length_autoscaling_policy(context)[0]

"""Who is there: the replicas of all placed deployments as Serve and they themselves report them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from deployments.placement.board import Board, Report, card_id
from deployments.placement.facts import Phase, Replica
from deployments.placement.private_serve import Controller, Listed

ONGOING: Final = "placement_ongoing"
USED: Final = "placement_used"
PEAK: Final = "placement_peak"
"""What a replica counts for Serve's custom autoscaling metrics: requests that it works on, when it last had one
(seconds since the epoch, 0 for never), the most bytes of a card that it took."""

GONE_SECONDS: Final = 30.0
"""Without the controller's own list: how long a replica that is to stop counts as still there, at most."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A replica: what the policy is told of it, and what only people want to know."""

    fact: Replica
    report: Report | None
    peak: int


class Residents:
    """Keeps what is only said once: when a replica was first seen in a phase, and what it reported of itself."""

    def __init__(self, controller: Controller | None) -> None:
        self._controller = controller
        self._seen: dict[tuple[str, Phase], float] = {}
        self._reports: dict[str, Report] = {}
        self._swept = False
        self._last: dict[str, tuple[Any, Phase, float]] = {}
        """Without the controller's list: replicas seen so far, and when they left that of those that run."""

    def all(self, contexts: Mapping[Any, Any], board: Board, clock: float) -> list[Resident]:
        """Every replica in every phase; `contexts` are Serve's, of placed deployments only."""
        listed = self._listed(contexts, board, clock)
        order = self._order(contexts, listed)
        live = {deployment: _latest(context) for deployment, context in contexts.items()}
        surplus = _surplus(contexts, listed, order)
        found = []
        for entry in listed:
            phase = Phase.STOPPING if entry.id in surplus else entry.phase
            report = self._report(entry, board)
            if phase is Phase.RUNNING and report is not None and report.ready is None:
                phase = Phase.STARTING  # the controller took it over from its predecessor while it loads
            found.append(self._resident(replace(entry, phase=phase), report, live, order, clock))
        found += _asked_for(contexts, listed, clock, self._seen)
        self._forget(found, board)
        return found

    def _resident(
        self,
        entry: Listed,
        report: Report | None,
        live: Mapping[Any, Mapping[str, Mapping[str, float]]],
        order: Mapping[str, int],
        clock: float,
    ) -> Resident:
        first = self._seen.setdefault((entry.id, entry.phase), clock)
        since = first
        if entry.phase is Phase.STARTING and entry.asked is not None:
            since = min(clock, entry.asked)
        elif entry.phase is Phase.RUNNING and report is not None and report.ready is not None:
            # Requests are sent to it from when the controller knows; after a restart it has been known for longer.
            since = first if (entry.id, Phase.STARTING) in self._seen else min(clock, report.ready)
        told = live[entry.deployment]
        ongoing, used = told.get(ONGOING, {}).get(entry.id), told.get(USED, {}).get(entry.id)
        last: float | None = None
        if ongoing:
            last = clock
        elif used:
            last = min(clock, used)
        elif used is None and entry.phase is Phase.RUNNING:
            last = clock  # until it has said what it does, it may be at work
        fact = Replica(
            id=entry.id,
            deployment=entry.deployment.name,
            card=None if report is None else card_id(report.node, report.card),
            phase=entry.phase,
            since=since,
            ongoing=int(ongoing or 0),
            used=last,
            stop_order=order.get(entry.id, 0),
        )
        return Resident(fact, report, int(told.get(PEAK, {}).get(entry.id, 0.0)))

    def _report(self, entry: Listed, board: Board) -> Report | None:
        known = self._reports.get(entry.id)
        if known is None or known.ready is None:
            known = board.reported(entry.id)
            if known is not None:
                self._reports[entry.id] = known
        return known

    def _listed(self, contexts: Mapping[Any, Any], board: Board, clock: float) -> list[Listed]:
        if self._controller is not None:
            return self._controller.replicas(contexts)
        running = {
            replica.unique_id: deployment
            for deployment, context in contexts.items()
            for replica in context.running_replicas
        }
        for replica, deployment in running.items():
            self._last[replica] = (deployment, Phase.RUNNING, clock)
        for replica, (deployment, _, left) in list(self._last.items()):
            if replica not in running:
                gone = clock - left > GONE_SECONDS or board.reported(replica) is None
                if gone or deployment not in contexts:
                    del self._last[replica]
                else:
                    self._last[replica] = (deployment, Phase.STOPPING, left)
        return [Listed(replica, deployment, phase, None) for replica, (deployment, phase, _) in self._last.items()]

    def _order(self, contexts: Mapping[Any, Any], listed: list[Listed]) -> dict[str, int]:
        count = Counter(entry.deployment for entry in listed if entry.phase is not Phase.STOPPING)
        order: dict[str, int] = {}
        for deployment, number in count.items():
            if number < 2:
                continue
            if self._controller is not None:
                ids = self._controller.stop_order(deployment, number)
            else:  # the newest first, as far as is known
                ids = [replica.unique_id for replica in reversed(contexts[deployment].running_replicas)]
            order |= {replica: place for place, replica in enumerate(ids)}
        return order

    def _left_over(self, board: Board) -> set[str]:
        """Once: replicas that reported, some of which went while no controller was there to see it."""
        if self._swept or self._controller is None:  # what is public does not show all that are there
            return set()
        self._swept = True
        return set(board.replicas())

    def _forget(self, found: list[Resident], board: Board) -> None:
        there = {resident.fact.id for resident in found}
        for replica in self._left_over(board) | self._reports.keys():
            if replica not in there:
                self._reports.pop(replica, None)
                board.forget(replica)
        for key in [key for key in self._seen if key[0] not in there]:
            del self._seen[key]


def _latest(context: Any) -> dict[str, dict[str, float]]:
    """By metric and replica, what was said last."""
    return {
        metric: {replica.unique_id: series[-1].value for replica, series in replicas.items() if len(series)}
        for metric, replicas in (context.raw_metrics or {}).items()
    }


def _surplus(contexts: Mapping[Any, Any], listed: list[Listed], order: Mapping[str, int]) -> set[str]:
    """Replicas that Serve has been told to stop and has not begun to."""
    found: set[str] = set()
    for deployment, context in contexts.items():
        there = [entry for entry in listed if entry.deployment == deployment and entry.phase is not Phase.STOPPING]
        if (excess := len(there) - context.target_num_replicas) > 0:
            there.sort(key=lambda entry: (entry.phase is Phase.RUNNING, order.get(entry.id, 0), entry.id))
            found |= {entry.id for entry in there[:excess]}
    return found


def _asked_for(
    contexts: Mapping[Any, Any], listed: list[Listed], clock: float, seen: dict[tuple[str, Phase], float]
) -> list[Resident]:
    """Replicas that Serve has been told to start and does not list yet."""
    count = Counter(entry.deployment for entry in listed if entry.phase is not Phase.STOPPING)
    found = []
    for deployment, context in contexts.items():
        for number in range(count[deployment], math.ceil(context.target_num_replicas)):
            name = f"{deployment.name}#{number}"
            since = seen.setdefault((name, Phase.STARTING), clock)
            fact = Replica(name, deployment.name, None, Phase.STARTING, since)
            found.append(Resident(fact, None, 0))
    return found

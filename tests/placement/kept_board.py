"""The board in this process: what replicas, policy and coordinator would write into Ray's store, in a dictionary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deployments.placement import policy
from deployments.placement.board import Board, Report, card_id
from deployments.placement.decision import Decision
from deployments.placement.facts import Card, Demand, Footprint, Phase, Replica, State
from deployments.placement.journal import Journal
from deployments.placement.residents import Resident

NODE = "3f9c1a20b7de5566"
CARD = card_id(NODE, 0)
GIB = 2**30


@dataclass(frozen=True)
class KeptBoard(Board):
    app: str = "mouthpiece"
    lines: dict[str, bytes] = field(default_factory=dict)

    def forget(self, replica: str) -> None:
        self.lines.pop(f"replica/{replica}", None)

    def replicas(self) -> list[str]:
        return [name.removeprefix("replica/") for name in self.lines if name.startswith("replica/")]

    def _put(self, name: str, value: Any) -> None:
        self.lines[name] = json.dumps(value).encode()

    def _get(self, name: str) -> Any:
        found = self.lines.get(name)
        return None if found is None else json.loads(found)


def resident(
    name: str, phase: Phase, since: float, *, used: float | None = None, ongoing: int = 0, ready: float | None = None
) -> Resident:
    """A replica of 5 GB on the one card, which has measured 4 of itself."""
    replica = f"{name}#1"
    fact = Replica(replica, name, CARD, phase, since, ongoing, used)
    began = since + 1.0 if ready is None else ready - 2.0
    return Resident(fact, Report(replica, name, NODE, 0, "0", 5 * GIB, 4242, began, ready, 2.0), 4 * GIB)


def record(
    journal: Journal,
    residents: Sequence[Resident],
    demand: Mapping[str, Demand],
    footprints: Mapping[str, Footprint],
    clock: float,
    state: State | None = None,
) -> Decision:
    """What the policy decides on one card of 10 GB, written down."""
    told = {name: demand.get(name, Demand()) for name in footprints}
    facts = [one.fact for one in residents]
    decision = policy.decide(told, facts, footprints, [Card(CARD, 10 * GIB)], clock, state=state)
    needs = {name: footprint.need for name, footprint in footprints.items()}
    journal.record(decision, residents, told, footprints, needs, [(NODE, 0)], 10 * GIB, clock)
    return decision

"""How each deployment stands: its replicas in the order in which Serve would stop them, and what is asked of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from deployments.placement.facts import FOREVER, Card, Demand, Footprint, Phase, Replica, Rules

_NOTHING = Demand()


def _order(replica: Replica) -> tuple[bool, int, str]:
    """Serve stops first what is not running yet."""
    return replica.phase is Phase.RUNNING, replica.stop_order, replica.id


class Standing:
    """One deployment within one decision. What is decided about it is written down here as it is decided."""

    __slots__ = ("demand", "footprint", "going", "leaving", "listed", "name", "ongoing", "running", "starts", "stays")

    def __init__(self, name: str, footprint: Footprint, demand: Demand) -> None:
        self.name = name
        self.footprint = footprint
        self.demand = demand
        self.stays: list[Replica] = []
        """Starting and running, on cards that are there; once settled, in the order in which Serve would stop them."""
        self.leaving: list[Replica] = []
        """Stopping already."""
        self.running = 0
        self.ongoing = 0
        self.listed = False
        """Serve counts replicas of it, if only on a card that is gone."""
        self.going: set[str] = set()
        """Replicas evicted by this decision."""
        self.starts = 0
        """Replicas asked for by this decision."""

    @property
    def wanted(self) -> bool:
        """Somebody waits for it: a request or a person. A person waits until it runs."""
        return self.demand.queued > 0 or (self.demand.load and not self.running)

    @property
    def asked(self) -> bool:
        """It has to be loaded, for somebody or because it is pinned."""
        return self.demand.queued > 0 or self.demand.load or self.footprint.pinned

    @property
    def target(self) -> int:
        return len(self.stays) - len(self.going) + self.starts

    @property
    def busy(self) -> bool:
        return self.ongoing > 0 or self.demand.queued > 0

    @property
    def desired(self) -> int:
        """Replicas that its requests would keep busy, at most as many as it may have."""
        requests = self.demand.queued + self.ongoing
        return min(self.footprint.max_replicas, math.ceil(requests / self.footprint.concurrency))

    def turn(self, rules: Rules) -> float:
        return max(rules.turn, rules.turn_per_load * self.footprint.load_seconds)

    def expires(self, replica: Replica, hinted: bool) -> float:
        """When `keep_alive` ends for a running replica that has no requests."""
        wish = self.footprint
        if wish.keep_alive == FOREVER or wish.pinned or wish.prewarm or (replica.used is None and hinted):
            return math.inf
        return (replica.since if replica.used is None else replica.used) + wish.keep_alive


def standings(
    demand: Mapping[str, Demand],
    resident: Iterable[Replica],
    footprints: Mapping[str, Footprint],
    cards: Mapping[str, int],
) -> dict[str, Standing]:
    """Every deployment with a footprint, by name. Raises ValueError for a replica without footprint, or in no phase."""
    found = {name: Standing(name, footprint, demand.get(name, _NOTHING)) for name, footprint in footprints.items()}
    several: list[Standing] = []
    starting, running, stopping = Phase.STARTING, Phase.RUNNING, Phase.STOPPING
    for replica in resident:
        standing = found.get(replica.deployment)
        if standing is None:
            raise ValueError(f"{replica.id} is a replica of {replica.deployment}, which has no footprint")
        phase = replica.phase
        if phase is not stopping:
            standing.listed = True
        if replica.card is not None and replica.card not in cards:
            continue  # gone with its card, though Serve may not know yet
        if phase is stopping:
            standing.leaving.append(replica)
            continue
        if standing.stays:
            several.append(standing)
        standing.stays.append(replica)
        if phase is running:
            standing.running += 1
            standing.ongoing += replica.ongoing
        elif phase is not starting:
            raise ValueError(f"{replica.id} is in phase {phase!r}; phases are {', '.join(Phase)}")
    for standing in several:
        standing.stays.sort(key=_order)
    return found


def numbered(cards: Sequence[Card], footprints: Mapping[str, Footprint], resident: Sequence[Replica]) -> dict[str, int]:
    """Cards by id, in the order given. Raises ValueError for facts that contradict themselves."""
    index = {card.id: i for i, card in enumerate(cards)}
    if len(index) != len(cards):
        raise ValueError("two cards have the same id")
    if len({replica.id for replica in resident}) != len(resident):
        raise ValueError("two replicas have the same id")
    for card in cards:
        if card.budget <= 0:
            raise ValueError(f"card {card.id} has a budget of {card.budget}; it must be positive")
    for name, footprint in footprints.items():
        if footprint.need <= 0 or footprint.concurrency < 1 or footprint.max_replicas < 1:
            raise ValueError(f"{name}: need, concurrency and max_replicas must be positive")
    return index

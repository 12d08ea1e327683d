"""All replicas as columns, by deployment and in the order in which Serve would stop them, and how each deployment
stands.

Columns, because a decision looks at every replica of a thousand cards in a few milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from deployments.placement.facts import Card, Demand, Footprint, Phase, Replica
from deployments.placement.ordering import ordered

NOWHERE: Final = -1
"""Number of the card of a replica that has none, as far as anybody knows."""

_GONE: Final = -2
_NOTHING = Demand()


class Standing:
    """One deployment within one decision. What is decided about it is written down here as it is decided."""

    __slots__ = (
        "count",
        "demand",
        "first",
        "footprint",
        "going",
        "listed",
        "name",
        "number",
        "ongoing",
        "running",
        "starts",
    )

    def __init__(self, name: str, number: int, footprint: Footprint, demand: Demand) -> None:
        self.name = name
        self.number = number
        self.footprint = footprint
        self.demand = demand
        self.first = 0
        """Its first row of the census."""
        self.count = 0
        """Replicas starting and running, on cards that are there."""
        self.running = 0
        self.ongoing = 0
        self.listed = False
        """Serve counts replicas of it, if only on a card that is gone."""
        self.going = 0
        """Replicas evicted by this decision."""
        self.starts = 0
        """Replicas asked for by this decision."""

    @property
    def rows(self) -> range:
        """In the order in which Serve would stop them: those not running first."""
        return range(self.first, self.first + self.count)

    @property
    def wanted(self) -> bool:
        """Somebody waits for it: a request or a person. A person waits until it runs."""
        return self.demand.queued > 0 or (self.demand.load and not self.running)

    @property
    def asked(self) -> bool:
        """It has to be loaded, for somebody or because it is pinned."""
        return self.demand.queued > 0 or self.demand.load or self.footprint.pinned

    @property
    def busy(self) -> bool:
        return self.ongoing > 0 or self.demand.queued > 0

    @property
    def target(self) -> int:
        return self.count - self.going + self.starts

    @property
    def desired(self) -> int:
        """Replicas that its requests would keep busy, at most as many as it may have."""
        requests = self.demand.queued + self.ongoing
        return min(self.footprint.max_replicas, math.ceil(requests / self.footprint.concurrency))


class Census:
    """Raises ValueError for facts that contradict themselves."""

    def __init__(
        self,
        demand: Mapping[str, Demand],
        resident: Sequence[Replica],
        footprints: Mapping[str, Footprint],
        cards: Sequence[Card],
    ) -> None:
        _check(cards, footprints, resident)
        self.cards = cards
        self.index = {card.id: number for number, card in enumerate(cards)}
        self.standings = {
            name: Standing(name, number, footprint, demand.get(name, _NOTHING))
            for number, (name, footprint) in enumerate(footprints.items())
        }
        self.by_number = list(self.standings.values())
        self.need = np.array([footprint.need for footprint in footprints.values()], np.int64)
        """By deployment, bytes."""
        number = {name: standing.number for name, standing in self.standings.items()}
        # Attribute by attribute, each a list and then an array: for thousands of objects nothing in Python is faster.
        try:
            deployment = _whole([number[replica.deployment] for replica in resident])
        except KeyError as error:
            raise ValueError(f"{error} has replicas and no footprint") from None
        place: dict[str | None, int] = {None: NOWHERE, **self.index}
        card = _whole([place.get(replica.card, _GONE) for replica in resident])
        going, starting = _in(Phase.STOPPING, resident), _in(Phase.STARTING, resident)
        order = _whole([replica.stop_order for replica in resident])
        order -= order.min(initial=0)

        for i in np.flatnonzero(np.bincount(deployment[~going], minlength=len(footprints))).tolist():
            self.by_number[i].listed = True
        here = card >= 0
        self.leaving = self._by_card(deployment[going & here], card[going & here])
        """By card, bytes of replicas that are stopping."""
        # Those on a card that is gone are gone with it, though Serve may not know yet.
        stays = np.flatnonzero(~going & (card != _GONE))
        stays = stays[ordered(deployment[stays], ~starting[stays], order[stays])]
        self._resident, self._place = resident, stays
        self.deployment = deployment[stays]
        self.home = card[stays]
        """By row, the number of the card that it is on, or taken to be on."""
        self.running = ~starting[stays]
        self.since = np.array([replica.since for replica in resident], np.float64)[stays]
        self.used = np.array([replica.used for replica in resident], np.float64)[stays]  # None becomes NaN
        self.ongoing = _whole([replica.ongoing for replica in resident])[stays]
        self.going = np.zeros(stays.size, bool)
        """Evicted by this decision."""
        self.count = np.bincount(self.deployment, minlength=len(footprints))
        self.first = np.cumsum(self.count) - self.count
        works = np.zeros(len(footprints), np.int64)
        np.add.at(works, self.deployment, self.ongoing)
        runs = np.bincount(self.deployment[self.running], minlength=len(footprints)).tolist()
        for standing, first, count, run, work in zip(
            self.by_number, self.first.tolist(), self.count.tolist(), runs, works.tolist(), strict=True
        ):
            standing.first, standing.count, standing.running, standing.ongoing = first, count, run, work

    def __len__(self) -> int:
        """How many rows: replicas that start or run, on a card that is there or on none yet."""
        return self.going.size

    def replica(self, row: int) -> Replica:
        """The replica that a row is of."""
        return self._resident[self._place[row]]

    @property
    def held(self) -> np.ndarray:
        """By card, bytes of the replicas that are on it, stopping ones included."""
        here = self.home >= 0
        return self.leaving + self._by_card(self.deployment[here], self.home[here])

    def _by_card(self, deployment: np.ndarray, card: np.ndarray) -> np.ndarray:
        total = np.zeros(len(self.cards), np.int64)
        np.add.at(total, card, self.need[deployment])
        return total


def _whole(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


def _in(phase: Phase, resident: Sequence[Replica]) -> np.ndarray:
    """Which replicas are in this phase: few, but for RUNNING."""
    found = np.zeros(len(resident), bool)
    found[[i for i, replica in enumerate(resident) if replica.phase is phase]] = True
    return found


def _check(cards: Sequence[Card], footprints: Mapping[str, Footprint], resident: Sequence[Replica]) -> None:
    if len({card.id for card in cards}) != len(cards):
        raise ValueError("two cards have the same id")
    if len({replica.id for replica in resident}) != len(resident):
        raise ValueError("two replicas have the same id")
    for card in cards:
        if card.budget <= 0:
            raise ValueError(f"card {card.id} has a budget of {card.budget}; it must be positive")
    for name, footprint in footprints.items():
        if footprint.need <= 0 or footprint.concurrency < 1 or footprint.max_replicas < 1:
            raise ValueError(f"{name}: need, concurrency and max_replicas must be positive")

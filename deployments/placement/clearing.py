"""Which replicas go to make room on a card: the least loss first, and no more than needed."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import IntEnum
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from deployments.placement.facts import Phase, Rules
from deployments.placement.standing import Standing


class Loss(IntEnum):
    """What is lost with a replica, least first."""

    UNUSED = 0
    """Loaded in advance, never used, and nobody waits for it."""
    SURPLUS = 1
    """Its deployment has others, and it is idle."""
    SURPLUS_BUSY = 2
    """Its deployment has others, that go on with the queue."""
    IDLE = 3
    SOON = 4
    """Idle, and a running job needs it later."""
    BUSY = 5


class Unit(NamedTuple):
    """A replica that may go, as the arrays hold it. Sorts by card, then by loss."""

    card: int
    collateral: int
    """Replicas on other cards that Serve would stop before it."""
    loss: int
    stamp: float
    """Of equal losses the lowest goes first: last use of an idle one, begin of a busy one's work."""
    place: int
    """In its deployment's order of stopping."""
    deployment: str
    replica: str
    size: int
    due: float
    """When it may go whoever waits; infinite for a busy one."""
    ready: float
    turn: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A card, and what has to go from it."""

    card: int
    units: tuple[Unit, ...]
    until: float
    """When all of them may go."""


def removable(
    standing: Standing, homes: Mapping[str, int], soon: Mapping[str, int], clock: float, rules: Rules
) -> list[Unit]:
    """The replicas of a deployment that may go. They go in Serve's order, so each loss is at least that of the one
    before; a pinned deployment's last is not among them."""
    rows: list[Unit] = []
    last = len(standing.stays) - 1
    turn = standing.turn(rules)
    in_line = standing.wanted
    worst: tuple[int, float] = (-1, -math.inf)
    latest = -math.inf
    seen: dict[int, int] = {}
    before = 0
    for place, replica in enumerate(standing.stays):
        if place == last and standing.footprint.pinned:
            break
        home = homes.get(replica.id)
        if replica.id in standing.going or home is None:
            continue
        running = replica.phase is Phase.RUNNING
        ready = replica.since if running else max(clock, replica.since + standing.footprint.load_seconds)
        stamp = ready if replica.used is None else replica.used
        due = -math.inf
        if replica.used is None and not in_line and not standing.busy:
            loss = Loss.UNUSED
            if running:
                due = ready + rules.linger  # its first request may be on the way
        elif place < last:
            loss = Loss.SURPLUS_BUSY if replica.ongoing else Loss.SURPLUS
        elif standing.busy or in_line:
            loss, stamp, due = Loss.BUSY, ready, math.inf
        else:
            loss, due = Loss.IDLE, stamp + rules.linger
            if (position := soon.get(standing.name)) is not None:
                loss, stamp = Loss.SOON, -float(position)
        worst = max(worst, (int(loss), stamp))
        latest = max(latest, due)
        elsewhere = before - seen.get(home, 0)
        rows.append(
            Unit(
                home, elsewhere, *worst, place, standing.name, replica.id, standing.footprint.need, latest, ready, turn
            )
        )
        before += 1
        seen[home] = seen.get(home, 0) + 1
    return rows


class Clearing:
    """All replicas that may go, as arrays sorted by card and loss, so that a thousand cards are searched at once."""

    def __init__(self, rows: list[Unit], cards: int) -> None:
        rows.sort(key=itemgetter(slice(0, 6)))
        self.units = rows
        columns = list(zip(*rows, strict=True)) or [()] * len(Unit._fields)
        self.card = np.array(columns[0], np.int64)
        self.collateral = np.array(columns[1], np.int64)
        self.loss = np.array(columns[2], np.int64)
        self.stamp = np.array(columns[3], np.float64)
        self.size = np.array(columns[7], np.int64)
        """0 once it is part of a plan."""
        self.due = np.array(columns[8], np.float64)
        self.ready = np.array(columns[9], np.float64)
        self.turn = np.array(columns[10], np.float64)
        self.begin = np.searchsorted(self.card, np.arange(cards + 1))
        """Where each card's replicas begin."""
        self.first = self.begin[self.card]

    def plan(
        self, need: int, future: np.ndarray, since: float, *, by: float, most: Loss, only: int | None = None
    ) -> Plan | None:
        """The least loss that makes room for one who waits `since`, all of which may go at the time `by`.

        Of several cards the one where least is lost at worst; then the fewest go; then the least recently used. Where
        `by` is infinite the one that can be had earliest comes before all that. None where nothing helps.
        """
        low, high = (0, len(self.units)) if only is None else (int(self.begin[only]), int(self.begin[only + 1]))
        if low == high:
            return None
        cut = slice(low, high)
        card, first = self.card[cut], self.first[cut] - low
        due = np.minimum(self.due[cut], np.maximum(self.ready[cut], since) + self.turn[cut])
        usable = (self.size[cut] > 0) & (due <= by) & (self.loss[cut] <= most)
        # What has gone up to here, of this card alone, on top of what the card will have free anyway.
        summed = np.concatenate(([0], np.cumsum(np.where(usable, self.size[cut], 0))))
        enough = np.flatnonzero(usable & (summed[1:] - summed[first] + future[card] >= need))
        if not enough.size:
            return None
        ends = enough[np.concatenate(([True], np.diff(card[enough]) > 0))]
        begins = first[ends]
        counted = np.concatenate(([0], np.cumsum(usable)))
        keys = [self.collateral[cut][ends], self.loss[cut][ends], counted[ends + 1] - counted[begins]]
        keys.append(self.stamp[cut][ends])
        if by == math.inf:
            dues = np.append(np.where(usable, due, -math.inf), -math.inf)
            keys.insert(0, np.maximum.reduceat(dues, np.column_stack((begins, ends + 1)).ravel())[::2])
        best = np.arange(ends.size)
        for key in keys:
            best = best[key[best] == key[best].min()]
        begin, end = int(begins[best[0]]), int(ends[best[0]])
        home = int(card[end])
        chosen = [i for i in range(begin, end + 1) if usable[i]]
        chosen = self._needed([low + i for i in chosen], need - int(future[home]))
        return Plan(home, tuple(self.units[i] for i in chosen), max(float(due[i - low]) for i in chosen))

    def _needed(self, chosen: list[int], lacking: int) -> list[int]:
        """Without those that are not needed, the greatest loss spared first: of what is left each one is needed."""
        spare = int(self.size[chosen].sum()) - lacking
        kept = []
        for i in reversed(chosen):
            if self.size[i] <= spare:
                spare -= int(self.size[i])
            else:
                kept.append(i)
        return kept[::-1]

    def spend(self, card: int, replicas: Container[str]) -> None:
        """Nobody else counts on these."""
        for i in range(self.begin[card], self.begin[card + 1]):
            if self.units[i].replica in replicas:
                self.size[i] = 0

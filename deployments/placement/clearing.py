"""Which replicas go to make room on a card: the least loss first, and no more than needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from deployments.placement.census import Census
from deployments.placement.facts import Rules
from deployments.placement.ordering import ordered


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


@dataclass(frozen=True, slots=True)
class Plan:
    """A card, and what has to go from it."""

    card: int
    rows: tuple[int, ...]
    """Of the census."""
    until: float
    """When all of them may go."""


class Clearing:
    """All replicas that may go, sorted by card and loss, so that a thousand cards are searched at once.

    Those of one deployment go in the order in which Serve stops them: the loss of each is at least that of the one
    before, and the last of a pinned deployment is not among them.
    """

    def __init__(self, census: Census, soon: Mapping[str, int], clock: float, rules: Rules) -> None:
        standings = census.by_number
        turn = np.array([standing.turn(rules) for standing in standings])
        load = np.array([standing.footprint.load_seconds for standing in standings])
        wanted = np.array([standing.wanted for standing in standings], bool)
        busy = np.array([standing.busy for standing in standings], bool)
        pinned = np.array([standing.footprint.pinned for standing in standings], bool)
        needed = np.array([soon.get(standing.name, math.nan) for standing in standings])

        last_row = census.first + census.count - 1
        rows = np.arange(len(census.replicas))
        may = (census.home >= 0) & ~census.going & ~(pinned[census.deployment] & (rows == last_row[census.deployment]))
        rows = rows[may]
        of = census.deployment[rows]
        last = rows == last_row[of]
        running, work = census.running[rows], census.ongoing[rows] > 0
        ready = np.where(running, census.since[rows], np.maximum(clock, census.since[rows] + load[of]))
        never = np.isnan(census.used[rows])
        used = np.where(never, ready, census.used[rows])

        in_use = busy[of] | wanted[of]
        kinds = [never & ~in_use, ~last & work, ~last, in_use, ~np.isnan(needed[of])]
        loss = np.select(kinds, [Loss.UNUSED, Loss.SURPLUS_BUSY, Loss.SURPLUS, Loss.BUSY, Loss.SOON], Loss.IDLE)
        # Of equal losses: a busy one by the begin of its work, one needed soon by how late, others by last use.
        stamp = np.select([loss == Loss.BUSY, loss == Loss.SOON], [ready, -needed[of]], used)
        # When it may go whoever waits. A first request may be on the way to one that has just begun to run.
        due = np.select(
            [loss == Loss.BUSY, (kinds[0] & running) | (loss >= Loss.IDLE)], [math.inf, used + rules.linger], -math.inf
        )

        loss = _so_far(loss, of)
        stamps, rank = np.unique(stamp, return_inverse=True)
        rank = _so_far(rank, of)
        dues, position = np.unique(due, return_inverse=True)
        home = census.home[rows]
        elsewhere = _place(of) - _place(of * len(census.cards) + home)
        order = ordered(home, elsewhere, loss, rank)

        self.row = rows[order]
        """Of the census."""
        self.at = np.full(len(census.replicas), -1)
        """By row of the census, its place here."""
        self.at[self.row] = np.arange(self.row.size)
        self.card = home[order]
        self.collateral = elsewhere[order]
        """Replicas on other cards that Serve would stop before it."""
        self.loss = loss[order]
        self.stamp = stamps[rank][order] if stamps.size else stamp
        self.size = census.need[of][order]
        """0 once it is part of a plan."""
        self.due = dues[_so_far(position, of)][order] if dues.size else due
        self.ready = ready[order]
        self.turn = turn[of][order]
        self.begin = np.searchsorted(self.card, np.arange(len(census.cards) + 1))
        """Where each card's replicas begin."""
        self.first = self.begin[self.card]

    def plan(
        self, need: int, future: np.ndarray, since: float, *, by: float, most: Loss, only: int | None = None
    ) -> Plan | None:
        """The least loss that makes room for one who waits `since`, all of which may go at the time `by`.

        Of several cards the one where least is lost at worst; then the fewest go; then the least recently used. Where
        `by` is infinite the one that can be had earliest comes before all that. None where nothing helps.
        """
        low, high = (0, self.row.size) if only is None else (int(self.begin[only]), int(self.begin[only + 1]))
        if low == high:
            return None
        cut = slice(low, high)
        card, first = self.card[cut], self.first[cut] - low
        ready, turn = self.ready[cut], self.turn[cut]
        size = self.size[cut]
        usable = size > 0
        if most < Loss.BUSY:
            usable &= self.loss[cut] <= most
        due = None
        if by == math.inf:
            due = np.minimum(self.due[cut], np.maximum(ready, since) + turn)
        else:
            usable &= (self.due[cut] <= by) | ((ready + turn <= by) & (since + turn <= by))
        # What has gone up to here, of this card alone, on top of what the card will have free anyway.
        summed = np.zeros(size.size + 1, np.int64)
        np.cumsum(size * usable, out=summed[1:])
        enough = np.flatnonzero(usable & (summed[1:] >= (need - future)[card] + summed[first]))
        if not enough.size:
            return None
        of = card[enough]
        ends = enough[np.flatnonzero(np.diff(of, prepend=-1))]
        begins = first[ends]
        counted = np.zeros(size.size + 1, np.int64)
        np.cumsum(usable, out=counted[1:])
        keys = [self.collateral[cut][ends], self.loss[cut][ends], counted[ends + 1] - counted[begins]]
        keys.append(self.stamp[cut][ends])
        if due is not None:
            dues = np.append(np.where(usable, due, -math.inf), -math.inf)
            keys.insert(0, np.maximum.reduceat(dues, np.column_stack((begins, ends + 1)).ravel())[::2])
        best = np.arange(ends.size)
        for key in keys:
            among = key[best]
            best = best[among == among.min()]
        begin, end = int(begins[best[0]]), int(ends[best[0]])
        home = int(card[end])
        chosen = [low + i for i in range(begin, end + 1) if usable[i]]
        chosen = self._needed(chosen, need - int(future[home]))
        until = by if due is None else float(due[np.array(chosen) - low].max())
        return Plan(home, tuple(self.row[chosen].tolist()), until)

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

    def spend(self, rows: Iterable[int]) -> None:
        """Nobody else counts on these."""
        self.size[self.at[list(rows)]] = 0


def _so_far(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The greatest value of each group up to each place. Values are whole and not negative, groups ascend."""
    if not values.size:
        return values
    span = int(values.max()) + 1
    return np.maximum.accumulate(values + group * span) - group * span


def _place(group: np.ndarray) -> np.ndarray:
    """How many of the same group come before, for each place."""
    order = ordered(group)
    groups = group[order]
    begins = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1)) if group.size else order
    counts = np.diff(np.append(begins, group.size))
    places = np.empty(group.size, np.int64)
    places[order] = np.arange(group.size) - np.repeat(begins, counts)
    return places

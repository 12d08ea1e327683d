"""Candidates: replicas that may go to make room, sorted so that a thousand cards are searched at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
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


class Candidates:
    """Some of the replicas that may go, sorted by card and loss.

    Those of one deployment go in the order in which Serve stops them: the loss of each is at least that of the one
    before, and the last of a pinned deployment is not among them. `rows` of the census, on cards and ascending; with
    each of them come all of its deployment that go before it. `spent` says which rows nobody may count on any more; it
    may change at any time.
    """

    def __init__(
        self,
        census: Census,
        rows: np.ndarray,
        spent: np.ndarray,
        soon: Mapping[str, int],
        clock: float,
        rules: Rules,
    ) -> None:
        standings = census.by_number
        load = np.array([standing.footprint.load_seconds for standing in standings])
        turn = np.maximum(rules.turn, rules.turn_per_load * load)
        in_use = np.array([standing.busy or standing.wanted for standing in standings], bool)
        pinned = np.array([standing.footprint.pinned for standing in standings], bool)
        needed = np.array([soon.get(standing.name, math.nan) for standing in standings])

        of = census.deployment[rows]
        last = rows == (census.first + census.count - 1)[of]
        may = ~(pinned[of] & last)
        rows, of, last = rows[may], of[may], last[may]
        running, work = census.running[rows], census.ongoing[rows] > 0
        ready = np.where(running, census.since[rows], np.maximum(clock, census.since[rows] + load[of]))
        never = np.isnan(census.used[rows])
        used = np.where(never, ready, census.used[rows])

        kinds = [never & ~in_use[of], ~last & work, ~last, in_use[of], ~np.isnan(needed[of])]
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
        before = np.cumsum(np.bincount(of, minlength=len(standings)))
        elsewhere = np.arange(rows.size) - np.append(0, before)[of] - _place(of * len(census.cards) + home)
        order = ordered(home, elsewhere, loss, rank)

        self.row = rows[order]
        """Of the census."""
        self.collateral = elsewhere[order]
        """Replicas on other cards that Serve would stop before it."""
        self.loss = loss[order]
        self.stamp = stamps[rank][order] if stamps.size else stamp
        self.size = census.need[of][order]
        self.spent = spent
        self.due = dues[_so_far(position, of)][order] if dues.size else due
        self.ready = ready[order]
        self.turn = turn[of][order]
        self.begin = np.searchsorted(home[order], np.arange(len(census.cards) + 1))
        """Where each card's replicas begin."""

    def plan(
        self, need: int, future: np.ndarray, since: float, *, by: float, most: Loss, only: int | None = None
    ) -> Plan | None:
        """As `Clearing.plan`, among these."""
        cards = slice(None) if only is None else slice(only, only + 1)
        begins, ends = self.begin[:-1][cards], self.begin[1:][cards]
        if not begins.size or begins[0] == ends[-1]:
            return None
        low = int(begins[0])
        cut = slice(low, int(ends[-1]))
        # A busy one may go when its turn is up, which is counted from when somebody waited for its room.
        due = np.minimum(self.due[cut], np.maximum(self.ready[cut], since) + self.turn[cut])
        usable = ~self.spent[self.row[cut]] & (due <= by)
        if most < Loss.BUSY:
            usable &= self.loss[cut] <= most
        # How much has gone before each place and at the end, of all cards together; likewise how many.
        gone, count = (np.concatenate(([0], np.cumsum(of))) for of in (self.size[cut] * usable, usable))
        lacking = need - future[cards]
        helped = np.flatnonzero((lacking > 0) & (gone[ends - low] - gone[begins - low] >= lacking))
        if not helped.size:
            return None
        begins = begins[helped] - low
        ends = np.searchsorted(gone, gone[begins] + lacking[helped])  # just after the one that makes it enough
        last = ends - 1
        keys = [self.collateral[cut][last], self.loss[cut][last], count[ends] - count[begins], self.stamp[cut][last]]
        if by == math.inf:
            dues = np.append(np.where(usable, due, -math.inf), -math.inf)
            keys.insert(0, np.maximum.reduceat(dues, np.column_stack((begins, ends)).ravel())[::2])
        best = np.arange(helped.size)
        for key in keys:
            among = key[best]
            best = best[among == among.min()]
        found = int(best[0])
        chosen = [low + i for i in range(int(begins[found]), int(ends[found])) if usable[i]]
        chosen = self._needed(chosen, int(lacking[helped[found]]))
        until = by if by < math.inf else float(due[np.array(chosen) - low].max())
        home = int(helped[found]) if only is None else only
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

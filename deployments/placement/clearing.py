"""Which replicas go to make room on a card: the least loss first, and no more than needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from deployments.placement.candidates import Candidates, Loss, Plan
from deployments.placement.census import Census
from deployments.placement.facts import Rules


class Clearing:
    """Searches all cards for what may go, in one decision.

    Of most deployments with several replicas Serve would first stop one that lies somewhere else than where room is
    wanted. A plan that takes nobody along from other cards is better than any that does, so those few replicas that
    can go without are searched first, and in a full cluster that is mostly all.
    """

    def __init__(self, census: Census, soon: Mapping[str, int], clock: float, rules: Rules) -> None:
        self._census = census
        self._clock = clock
        self._rules = rules
        self._soon = soon
        self._spent = np.zeros(len(census), bool)

    @cached_property
    def _all(self) -> Candidates:
        return self._candidates(self._there())

    @cached_property
    def _alone(self) -> Candidates:
        """Replicas before which Serve would stop none on another card."""
        rows = self._there()
        of, home = self._census.deployment[rows], self._census.home[rows]
        first = np.diff(of, prepend=-1) != 0
        moves = np.cumsum(~first & (np.diff(home, prepend=-1) != 0))
        return self._candidates(rows[moves == np.maximum.accumulate(np.where(first, moves, 0))])

    def _there(self) -> np.ndarray:
        """Rows of the census: replicas on a card that are not told to go yet."""
        return np.flatnonzero((self._census.home >= 0) & ~self._census.going)

    def _candidates(self, rows: np.ndarray) -> Candidates:
        return Candidates(self._census, rows, self._spent, self._soon, self._clock, self._rules)

    def plan(
        self, need: int, future: np.ndarray, since: float, *, by: float, most: Loss, only: int | None = None
    ) -> Plan | None:
        """The least loss that makes room for one who waits `since`, all of which may go at the time `by`: now, or
        at last where that is infinite.

        Of several cards the one where least is lost at worst; then the fewest go; then the least recently used. Where
        `by` is infinite the one that can be had earliest comes before all that. Where none that was used may go, none
        is taken along from other cards either. None where nothing helps.
        """
        if by < math.inf:
            plan = self._alone.plan(need, future, since, by=by, most=most, only=only)
            if plan is not None or most is Loss.UNUSED:
                return plan
        return self._all.plan(need, future, since, by=by, most=most, only=only)

    def spend(self, rows: Iterable[int]) -> None:
        """Nobody else counts on these rows of the census."""
        self._spent[list(rows)] = True

    def next_idle(self) -> float | None:
        """When the next of those counts as idle that do not yet, though they have no work any more."""
        census = self._census
        used = np.where(np.isnan(census.used), census.since, census.used)
        ends = used[census.running & ~census.going & (census.ongoing == 0)] + self._rules.linger
        coming = ends[ends > self._clock]
        return float(coming.min()) if coming.size else None

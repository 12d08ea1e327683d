"""Room on the cards: what is free now, and what will be once those that go are gone and those that wait have theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deployments.placement.facts import Card


class Room:
    """Two accounts a card, both in bytes, by the card's number.

    `free` is what no replica holds. `future` adds what those hold that are to go, and takes off what is set aside for
    those that wait. Whoever starts now has to fit in both: in the first to be within the budget, in the second so as
    not to take what an older one waits for.
    """

    __slots__ = ("budget", "free", "future", "guarded", "guarding", "most")

    def __init__(self, cards: Sequence[Card]) -> None:
        self.budget = np.array([card.budget for card in cards], np.int64)
        self.free = self.budget.copy()
        self.future = self.budget.copy()
        self.guarded = np.zeros(len(cards), bool)
        """Set aside for one who lost its room to another before: nothing starts that Ray could put here."""
        self.guarding = False
        self.most = 0
        """No card's `future` is more: who needs more than this finds nothing here."""

    def hold(self, held: np.ndarray, leaving: np.ndarray) -> None:
        """Book what replicas hold, by card; `leaving` is the part of it that is about to be free."""
        self.free -= held
        self.future += leaving - held
        self.most = int(self.future.max(initial=0))

    def fit(self, need: int) -> int | None:
        """The card that would be left fullest by it, as Ray chooses; None where it fits on none, or where Ray could
        put it on a guarded one."""
        if self.guarding and ((self.free >= need) & (self.future < need) & self.guarded).any():
            return None
        fits = np.flatnonzero(np.minimum(self.free, self.future) >= need)
        return int(fits[self.free[fits].argmin()]) if fits.size else None

    def coming(self, need: int, preferred: int | None) -> int | None:
        """The card that will have room for it without another eviction: the preferred one, or the fullest."""
        if preferred is not None and self.future[preferred] >= need:
            return preferred
        fits = np.flatnonzero(self.future >= need)
        if fits.size:
            return int(fits[self.future[fits].argmin()])
        self.most = int(self.future.max(initial=0))
        return None

    def take(self, card: int, need: int) -> None:
        """A replica is asked for there."""
        self.free[card] -= need
        self.future[card] -= need

    def guard(self, card: int) -> None:
        self.guarding = True
        self.guarded[card] = True

    def set_aside(self, card: int, need: int) -> None:
        """Somebody waits for it there."""
        self.future[card] -= need

    def release(self, card: int, size: int) -> None:
        """Who holds it there is to go, or nobody waits for it any more."""
        self.future[card] += size
        self.most = max(self.most, int(self.future[card]))

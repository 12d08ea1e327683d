"""Whether two models can be at work at the same time, or take turns on a card."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.contracts.placement import PlacedCard, Placement


def together(models: Collection[str], placement: Placement) -> bool:
    """Whether all of these deployments, two at most, can be resident at once, beside what is pinned. Those that need no
    card always can. What else is asked of the cards is the policy's to weigh."""
    needs = [known.need_gigabytes for known in placement.models if known.model in models]
    if len(needs) < 2:
        return True
    pinned = {known.model for known in placement.models if known.pinned} - set(models)
    free = sorted((_free(card, pinned) for card in placement.cards), reverse=True)
    small, large = sorted(needs)
    if not free or free[0] < large:
        return False
    return free[0] >= small + large or (len(free) > 1 and free[1] >= small)


def _free(card: PlacedCard, pinned: Collection[str]) -> float:
    return card.budget_gigabytes - sum(who.reserved_gigabytes for who in card.occupants if who.model in pinned)

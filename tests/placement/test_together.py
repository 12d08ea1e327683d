"""Which models can be at work at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from deployments.handles import HandleModels
from deployments.placement.together import together
from pipeline.contracts.placement import Occupant, PlacedCard, PlacedModel, Placement

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOTH = ("voice-xtts", "lipsync-musetalk")


def model(name: str, need: float, *, pinned: bool = False) -> PlacedModel:
    return PlacedModel(
        model=name, need_gigabytes=need, queued=0, replicas=0, pinned=pinned, prewarm=False, keep_seconds=None
    )


def card(number: int, budget: float, *occupants: tuple[str, float]) -> PlacedCard:
    there = tuple(
        Occupant(
            model=name, replica=name, state="running", since=NOW, in_use=0, idle_since=None,
            reserved_gigabytes=size, measured_gigabytes=size, pid=1,
        )
        for name, size in occupants
    )  # fmt: skip
    return PlacedCard(
        id=f"n/{number}", node="n", index=number, budget_gigabytes=budget,
        reserved_gigabytes=sum(size for _, size in occupants), occupants=there,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cards", "pinned", "expected"),
    [
        ((card(0, 8),), False, False),
        ((card(0, 10),), False, True),
        ((card(0, 6.5), card(1, 4)), False, True),
        ((card(0, 5), card(1, 5)), False, False),  # the larger fits on neither
        ((card(0, 6.5), card(1, 3)), False, False),
        ((card(0, 12, ("avatar-sd", 3)),), False, True),  # it can leave
        ((card(0, 12, ("avatar-sd", 3)),), True, False),
        ((), False, False),
    ],
)
def test_two_that_need_a_card(cards: tuple[PlacedCard, ...], pinned: bool, expected: bool) -> None:
    models = (model(BOTH[0], 4), model(BOTH[1], 6), model("avatar-sd", 3, pinned=pinned))
    assert together(BOTH, Placement(at=NOW, cards=cards, models=models)) is expected


def test_one_that_needs_a_card_is_never_in_the_others_way() -> None:
    assert together(BOTH, Placement(at=NOW, cards=(card(0, 6),), models=(model(BOTH[1], 6),)))
    assert together(("voice-espeak", "lipsync-meshwarp"), Placement(at=None))


def test_models_are_asked_about_by_their_deployments() -> None:
    asked: list[Collection[str]] = []

    async def never(models: Collection[str]) -> bool:
        asked.append(models)
        return False

    assert not asyncio.run(HandleModels({}, {}, never).together("xtts", "musetalk"))
    assert asked == [BOTH]
    assert asyncio.run(HandleModels({}).together("xtts", "musetalk"))

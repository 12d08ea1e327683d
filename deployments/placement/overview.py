"""The policy's view as people are shown it: from the board to the contract."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from deployments.placement.board import Board
from deployments.placement.facts import FOREVER
from pipeline.contracts.placement import (
    Occupant,
    PlacedCard,
    PlacedModel,
    Placement,
    PlacementDecision,
    WaitingModel,
)


def overview(board: Board) -> Placement:
    """How things stand; blocks for a millisecond. Empty before the policy's first decision."""
    view = board.shown()
    if view is None:
        return Placement(at=None)
    occupants = [(entry["card"], _occupant(entry)) for entry in view["residents"]]
    cards = tuple(_card(entry, [who for card, who in occupants if card == entry["id"]]) for entry in view["cards"])
    known = {card.id for card in cards}
    replicas = [who.model for _, who in occupants if who.state == "running"]
    return Placement(
        at=_moment(view["at"]),
        cards=cards,
        placeless=tuple(who for card, who in occupants if card not in known),
        waiting=tuple(_waiting(entry) for entry in view["waiting"]),
        models=tuple(_model(name, entry, replicas.count(name)) for name, entry in sorted(view["models"].items())),
        decisions=tuple(PlacementDecision(at=_moment(line["at"]), text=line["text"]) for line in view["decisions"]),
    )


def _card(entry: Mapping[str, Any], occupants: list[Occupant]) -> PlacedCard:
    return PlacedCard(
        id=entry["id"],
        node=entry["node"],
        index=entry["index"],
        budget_gigabytes=_gigabytes(entry["budget"]),
        reserved_gigabytes=round(sum(who.reserved_gigabytes for who in occupants), 4),
        occupants=tuple(occupants),
    )


def _occupant(entry: Mapping[str, Any]) -> Occupant:
    return Occupant(
        model=entry["deployment"],
        replica=entry["replica"],
        state=entry["phase"],
        since=_moment(entry["since"]),
        in_use=entry["ongoing"],
        idle_since=None if entry["ongoing"] or entry["used"] is None else _moment(entry["used"]),
        reserved_gigabytes=_gigabytes(entry["reserved"]),
        measured_gigabytes=_gigabytes(entry["measured"]),
        pid=entry["pid"],
    )


def _waiting(entry: Mapping[str, Any]) -> WaitingModel:
    return WaitingModel(
        model=entry["deployment"],
        since=_moment(entry["since"]),
        cause=entry["cause"],
        requests=entry["queued"],
        card=entry["card"],
        until=None if entry["until"] is None else _moment(entry["until"]),
    )


def _model(name: str, entry: Mapping[str, Any], replicas: int) -> PlacedModel:
    return PlacedModel(
        model=name,
        need_gigabytes=_gigabytes(entry["need"]),
        queued=entry["queued"],
        replicas=replicas,
        pinned=entry["pinned"],
        prewarm=entry["prewarm"],
        keep_seconds=None if entry["keep_alive"] == FOREVER else entry["keep_alive"],
    )


def _gigabytes(size: int) -> float:
    return round(size / 2**30, 4)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

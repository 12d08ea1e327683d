"""What the policy decided, written down: log lines with reasons, metrics, and the view that people are shown."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from deployments.placement.board import Board, card_id
from deployments.placement.decision import Decision, Eviction, Start, Waiting
from deployments.placement.facts import Demand, Footprint, Phase
from deployments.placement.residents import Resident
from pipeline.metrics import Metrics

SHOW_SECONDS: Final = 0.2
"""The view is written at most this often."""

KEPT: Final = 50
"""Decisions that the view holds."""

log = logging.getLogger("ray.serve.placement")


class Journal:
    """Of one application. What is only worth saying when it changes is said when it changes."""

    def __init__(self, board: Board, metrics: Metrics) -> None:
        self._board = board
        self._metrics = metrics
        self._shown = 0.0
        self._view: dict[str, Any] = {}
        self._lines: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._evicted: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self._waiting: dict[str, Waiting] = {}
        self._gauges: dict[tuple[str, ...], int] = {}

    def record(
        self,
        decision: Decision,
        residents: Sequence[Resident],
        demand: Mapping[str, Demand],
        footprints: Mapping[str, Footprint],
        needs: Mapping[str, int],
        cards: Sequence[tuple[str, int]],
        budget: int,
        clock: float,
    ) -> None:
        """One decision, and what it was taken from."""
        for start in decision.starts:
            self._say(clock, "start", start.deployment, _started(start))
        for eviction in decision.evictions:
            if eviction.replica not in self._evicted:
                self._evicted[eviction.replica] = clock
                self._metrics.eviction(eviction.deployment, eviction.cause)
                self._say(clock, "leave", eviction.deployment, _evicted(eviction))
        self._swaps(residents, clock)
        self._waits(decision, demand, clock)
        self._gauge(residents, footprints, cards, budget)
        self._show(decision, residents, demand, footprints, needs, cards, budget, clock)

    def _say(self, clock: float, kind: str, model: str, line: str) -> None:
        log.info("%s", line)
        self._lines.append({"at": clock, "kind": kind, "model": model, "text": line})

    def _swaps(self, residents: Sequence[Resident], clock: float) -> None:
        there = {resident.fact.id for resident in residents}
        for replica, since in [*self._evicted.items()]:
            if replica not in there:
                self._metrics.swap("leave", clock - since)
                del self._evicted[replica]
        for resident in residents:
            fact, report = resident.fact, resident.report
            if fact.phase is Phase.STARTING:
                self._started.setdefault(fact.id, fact.since)
            elif fact.id in self._started and report is not None and report.ready is not None:
                self._metrics.swap("process", max(0.0, report.began - self._started.pop(fact.id)))
                self._metrics.swap("load", max(0.0, report.ready - report.began))
                self._metrics.swap("notice", max(0.0, clock - report.ready))
        self._started = {replica: since for replica, since in self._started.items() if replica in there}

    def _waits(self, decision: Decision, demand: Mapping[str, Demand], clock: float) -> None:
        now = {waiting.deployment: waiting for waiting in decision.waiting}
        for name, before in self._waiting.items():
            if name not in now and (wish := demand.get(name)) is not None:
                self._metrics.waiters(name, wish.queued)
                self._metrics.model_waited(name, clock - before.since)
        for name, waiting in now.items():
            self._metrics.waiters(name, demand[name].queued if name in demand else 0)
            before = self._waiting.get(name)
            if before is None or before.cause != waiting.cause:
                where = f" on {waiting.card}" if waiting.card else ""
                self._say(clock, "wait", name, f"{name} waits: {waiting.cause}{where}")
        self._waiting = now

    def _gauge(
        self,
        residents: Sequence[Resident],
        footprints: Mapping[str, Footprint],
        cards: Sequence[tuple[str, int]],
        budget: int,
    ) -> None:
        for node, card in cards:
            key = ("budget", card_id(node, card))
            if self._gauges.get(key) != budget:
                self._gauges[key] = budget
                self._metrics.budget(key[1], budget)
        now: dict[tuple[str, ...], int] = {}
        for resident in residents:
            fact = resident.fact
            if fact.card is not None:
                reserved = ("reserved", fact.card, fact.deployment)
                now[reserved] = now.get(reserved, 0) + footprints[fact.deployment].need
                measured = ("measured", fact.card, fact.deployment)
                now[measured] = max(now.get(measured, 0), resident.peak)
        for key in [key for key in self._gauges if key[0] != "budget" and key not in now]:
            now[key] = 0
        for key, size in now.items():
            if self._gauges.get(key) != size:
                self._gauges[key] = size
                record = self._metrics.reserved if key[0] == "reserved" else self._metrics.measured
                record(key[1], key[2], size)

    def _show(
        self,
        decision: Decision,
        residents: Sequence[Resident],
        demand: Mapping[str, Demand],
        footprints: Mapping[str, Footprint],
        needs: Mapping[str, int],
        cards: Sequence[tuple[str, int]],
        budget: int,
        clock: float,
    ) -> None:
        if clock - self._shown < SHOW_SECONDS:
            return
        self._shown = clock
        view = {
            "at": clock,
            "cards": [
                {"id": card_id(node, card), "node": node, "index": card, "budget": budget} for node, card in cards
            ],
            "residents": [_resident(resident, footprints) for resident in residents],
            "waiting": [_waiting(waiting, demand) for waiting in decision.waiting],
            "models": {
                name: {
                    "need": needs[name],
                    "pinned": footprint.pinned,
                    "prewarm": footprint.prewarm,
                    "keep_alive": footprint.keep_alive,
                    "queued": demand[name].queued,
                }
                for name, footprint in footprints.items()
            },
            "decisions": [*self._lines],
        }
        self._board.show(view)


def _resident(resident: Resident, footprints: Mapping[str, Footprint]) -> dict[str, Any]:
    fact, report = resident.fact, resident.report
    return {
        "replica": fact.id,
        "deployment": fact.deployment,
        "card": fact.card,
        "phase": str(fact.phase),
        "since": fact.since,
        "used": fact.used,
        "ongoing": fact.ongoing,
        "reserved": report.reserved if report is not None else footprints[fact.deployment].need,
        "measured": resident.peak,
        "pid": report.pid if report is not None else None,
    }


def _waiting(waiting: Waiting, demand: Mapping[str, Demand]) -> dict[str, Any]:
    return {
        "deployment": waiting.deployment,
        "since": waiting.since,
        "cause": str(waiting.cause),
        "card": waiting.card,
        "until": waiting.until,
        "queued": demand[waiting.deployment].queued if waiting.deployment in demand else 0,
    }


def _started(start: Start) -> str:
    return f"{start.deployment} starts on {start.card}: {start.cause}"


def _evicted(eviction: Eviction) -> str:
    parts = [f"{eviction.deployment} ({eviction.replica}) leaves {eviction.card}: {eviction.cause}"]
    if eviction.waiter:
        parts.append(f"for {eviction.waiter}")
    if eviction.drains:
        parts.append("when it has finished what it works on")
    return ", ".join(parts)

"""What people and running jobs ask of the placement policy, by way of the board.

One process writes them, the coordinator; they hold until the cluster stops. What is to hold longer stands in the
settings.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Any

from deployments.placement.board import Board
from deployments.placement.facts import FOREVER
from pipeline.contracts.placement import ModelWish
from pipeline.errors import UnknownName


class Wishes:
    """`models` are the deployments that need a card. Every call blocks for a millisecond or two."""

    def __init__(self, board: Board, models: Iterable[str]) -> None:
        self._board = board
        self._models = frozenset(models)
        self._lock = Lock()
        self._said: dict[str, Any] | None = None

    def ask(self, model: str, wish: ModelWish) -> None:
        """Raises `UnknownName` listing the models that need a card."""
        if model not in self._models:
            raise UnknownName.of("model on a card", model, self._models, field="model")
        with self._lock:
            wishes = self._read()
            entry = wishes.setdefault("models", {}).setdefault(model, {})
            if wish.action is not None:
                entry.pop("unload" if wish.action == "load" else "load", None)
                entry[wish.action] = time.time()
            for name in ("pinned", "prewarm"):
                if (value := getattr(wish, name)) is not None:
                    entry[name] = value
            if wish.keep_seconds == "default":
                entry.pop("keep_alive", None)
            elif wish.keep_seconds is not None:
                entry["keep_alive"] = FOREVER if wish.keep_seconds == "forever" else wish.keep_seconds
            self._board.wish(wishes)

    def hint(self, jobs: Iterable[Sequence[str]]) -> None:
        """For each running job, oldest first, the deployments that its next steps need, soonest first. Nothing is
        written where that is as before."""
        told = [[name for name in job if name in self._models] for job in jobs]
        with self._lock:
            wishes = self._read()
            if wishes.get("hints", []) != told:
                wishes["hints"] = told
                self._board.wish(wishes)

    def _read(self) -> dict[str, Any]:
        if self._said is None:
            self._said = self._board.wishes()
        return self._said

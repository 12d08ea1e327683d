"""The coordinator's side of placement: what stands on the cards, what is asked of models, what was measured is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from deployments.placement.board import Board
from deployments.placement.footprints import Footprints
from deployments.placement.overview import overview
from deployments.placement.together import together
from deployments.placement.wishes import Wishes
from pipeline.contracts.placement import ModelWish, Placement

SECONDS: Final = 1.0
"""Between two looks at what was measured, and at what running jobs need next."""

log = logging.getLogger("mouthpiece.placement")


class Desk:
    """One for the application `app`; `models` are its deployments that need a card, none where there is no card.

    `follow` runs as long as the coordinator does; the other methods may be called at any time.
    """

    def __init__(self, app: str, models: Iterable[str], footprints: Footprints) -> None:
        self._models = tuple(models)
        self._board = Board(app)
        self._wishes = Wishes(self._board, self._models)
        self._footprints = footprints

    async def placement(self) -> Placement:
        """How things stand on the cards."""
        if not self._models:
            return Placement(at=None)
        return await asyncio.to_thread(overview, self._board)

    async def together(self, models: Collection[str]) -> bool:
        """Whether all of these deployments, two at most, can be at work at the same time."""
        if len(set(models) & set(self._models)) < 2:
            return True
        return together(models, await self.placement())

    async def ask(self, model: str, wish: ModelWish) -> Placement:
        """Asks something of a model and returns at once, with how things stood then.

        Raises `UnknownName` for a model that needs no card, or does not exist.
        """
        await asyncio.to_thread(self._wishes.ask, model, wish)
        return await self.placement()

    async def follow(self, hints: Callable[[], Iterable[Sequence[str]]]) -> None:
        """Tells the policy what running jobs need next, and keeps what was measured. Ends when it is cancelled.

        `hints` gives, for each running job, oldest first, the deployments that its next steps need.
        """
        while self._models:
            told = [list(job) for job in hints()]
            try:
                await asyncio.to_thread(self._exchange, told)
            except OSError as error:
                log.warning("What models were measured to need could not be kept: %s", error)
            await asyncio.sleep(SECONDS)

    def _exchange(self, hints: list[list[str]]) -> None:
        self._wishes.hint(hints)
        self._footprints.learn(self._board.needs())

"""The coordinator's operations of live sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.contracts.live import LiveMessage, LiveRequest

if TYPE_CHECKING:
    from deployments.works import Works


class LiveCalls:
    """Part of `Coordinator`. A session is opened under a name of the caller's, and what it makes is taken as it
    comes."""

    _works: Works

    async def begin_live(self, session: str, request: LiveRequest, longest: float) -> None:
        """Opens one for at most so many seconds. Whatever can be refused is refused here."""
        await (await self._works.live()).begin(session, request, longest)

    async def take_from_live(self, session: str) -> list[str | bytes]:
        """What goes to the client next, news in JSON and pieces of the video, as it comes; empty after the last."""
        return await (await self._works.live()).take(session)

    async def say_in_live(self, session: str, messages: tuple[LiveMessage, ...]) -> None:
        await (await self._works.live()).hear(session, messages)

    async def end_live(self, session: str) -> None:
        await (await self._works.live()).end(session)

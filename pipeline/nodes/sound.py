"""The sound of a video that is watched while it is spoken: it grows at the end, and what is over is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from pipeline.contracts import Samples, Speech
from pipeline.nodes.speech import closed, nothing_said


class Sound:
    """`parts` one after another, joined to the sample, as far as anybody needs them. One event loop.

    With `sentences`, those that say nothing are left out, and the last one ends with the short pause that a video ends
    with: of the pause after a sentence, no more than that is known before the next one has come.
    """

    def __init__(self, parts: AsyncIterator[Speech], *, sentences: bool) -> None:
        self._parts = parts
        self._sentences = sentences
        self._held: list[tuple[int, Speech]] = []
        self._end = 0
        self._turn = asyncio.Lock()
        self.length = 0
        """Samples that are known."""
        self.complete = False
        """Whether there are no more."""

    async def reach(self, samples: int) -> None:
        """Waits until so many samples are known, or all there are. Raises what the parts raise, and `InvalidText` where
        no sentence says anything."""
        async with self._turn:
            while self.length < samples and not self.complete:
                part = await anext(self._parts, None)
                if part is None:
                    self._complete()
                elif len(part.samples):
                    self._held.append((self._end, part))
                    sure = closed(part) if self._sentences else part
                    self.length = self._end + len(sure.samples)
                    self._end += len(part.samples)

    def _complete(self) -> None:
        if not self._held:
            raise nothing_said()
        if self._sentences:
            at, last = self._held[-1]
            self._held[-1] = at, closed(last)
        self.complete = True

    @property
    def sample_rate(self) -> int:
        """Known when the first part is."""
        return self._held[-1][1].sample_rate

    def cut(self, start: int, end: int) -> Speech:
        """Samples `start` to `end`, or as far as it goes, with what is spoken in them."""
        parts = [(at, part) for at, part in self._held if at < end and at + len(part.samples) > start]
        if not parts or parts[0][0] > start:
            raise ValueError(f"samples {start} to {end} are not there any more")
        origin = parts[0][0]
        return Speech.join(part for _, part in parts).cut(start - origin, end - origin)

    def samples(self, start: int, end: int) -> Samples:
        """The same without what is spoken; none past the end."""
        return self.cut(start, end).samples if start < self.length else self._held[-1][1].samples[:0]

    def forget(self, before: int) -> None:
        """Lets go what nobody asks for any more. The last part stays."""
        self._held = [held for held in self._held[:-1] if held[0] + len(held[1].samples) > before] + self._held[-1:]


async def ahead(source: AsyncIterator[Speech]) -> AsyncGenerator[Speech]:
    """What `source` yields, each made while the one before is in use, and none further ahead. Closing this stops the
    source."""

    async def following() -> Speech | None:
        return await anext(source, None)

    making = asyncio.create_task(following())
    try:
        while (item := await making) is not None:
            making = asyncio.create_task(following())
            yield item
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)

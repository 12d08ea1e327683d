"""The sound of a video that is watched while it is spoken: it grows at the end, and what is over is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from pipeline.contracts import Samples, Speech
from pipeline.nodes.speech import closed, nothing_said


class Sound:
    """`parts` one after another, joined to the sample, as far as anybody needs them. One event loop."""

    def __init__(self, parts: AsyncIterator[Speech]) -> None:
        self._parts = parts
        self._held: list[tuple[int, Speech]] = []
        self._turn = asyncio.Lock()
        self.length = 0
        """Samples that are known."""
        self.complete = False
        """Whether there are no more."""

    async def reach(self, samples: int) -> None:
        """Waits until so many samples are known, or all there are. Raises what the parts raise."""
        async with self._turn:
            while self.length < samples and not self.complete:
                part = await anext(self._parts, None)
                if part is None:
                    self.complete = True
                else:
                    self._held.append((self.length, part))
                    self.length += len(part.samples)

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


async def ended(sentences: AsyncIterator[Speech]) -> AsyncGenerator[Speech]:
    """Sentences that say something, in order, the last one with the short pause that a video ends with: each comes when
    it is known whether it is the last. Raises `InvalidText` where none says anything."""
    held: Speech | None = None
    async for sentence in sentences:
        if not len(sentence.samples):
            continue
        if held is not None:
            yield held
        held = sentence
    if held is None:
        raise nothing_said()
    yield closed(held)


async def ahead(source: AsyncIterator[Speech], most: int) -> AsyncGenerator[Speech]:
    """What `source` yields, made up to `most` items before it is asked for. Closing this stops the source."""
    made: asyncio.Queue[Speech | BaseException | None] = asyncio.Queue(most)

    async def make() -> None:
        try:
            async for item in source:
                await made.put(item)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            await made.put(error)
        else:
            await made.put(None)

    making = asyncio.create_task(make())
    try:
        while (item := await made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        making.cancel()
        with suppress(asyncio.CancelledError):
            await making

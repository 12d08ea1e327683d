"""The sound of a video that is watched while it is spoken: it grows at the end, and what is over is let go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from pipeline.contracts import Samples, Speech
from pipeline.nodes.speech import closed, nothing_said


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence, in order; a sentence has any number of them."""

    speech: Speech
    sentence: int
    """Which one of all."""


class Sound:
    """`parts` one after another, joined to the sample, as far as anybody needs them. One event loop.

    With `sentences`, each `Speech` is one, or each run of `Part` of one; those that say nothing are left out, and the
    last one ends with the short pause that a video ends with. Of the silence at the end of what has come, no more than
    that is known: the sentence may end there, and be the last.
    """

    def __init__(self, parts: AsyncIterator[Speech | Part], *, sentences: bool) -> None:
        self._parts = parts
        self._sentences = sentences
        self._held: list[tuple[int, Speech]] = []
        """Sentences, each with the sample that it begins with; the last may be unfinished."""
        self._last: int | None = None
        """Which sentence that is, of those that come in parts."""
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
                elif isinstance(part, Part):
                    self._add(part.speech, part.sentence)
                else:
                    self._add(part, None)

    def _add(self, speech: Speech, sentence: int | None) -> None:
        if not len(speech.samples):
            return
        if sentence is not None and sentence == self._last:
            # One by one as all at once: what is spoken is moved by the samples before it in its sentence.
            at, before = self._held.pop()
            speech = Speech.join([before, speech])
        else:
            at = self._end
        self._held.append((at, speech))
        self._last, self._end = sentence, at + len(speech.samples)
        self.length = at + len((closed(speech) if self._sentences else speech).samples)

    def _complete(self) -> None:
        if not self._held:
            raise nothing_said()
        if self._sentences:
            at, last = self._held[-1]
            self._held[-1] = at, closed(last)
        self.complete = True

    @property
    def sample_rate(self) -> int:
        """Known when the first part is that is not empty."""
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
        """Lets go what nobody asks for any more. The last sentence stays."""
        self._held = [held for held in self._held[:-1] if held[0] + len(held[1].samples) > before] + self._held[-1:]


async def ahead(sentences: Iterable[AsyncGenerator[Speech]]) -> AsyncGenerator[Part]:
    """The parts of the sentences, of which each has at least one.

    A sentence is spoken to its end as fast as that goes, and the next one after it, while parts of it are in use; the
    one after that when a part of the next has been taken. Closing this stops what is being spoken.
    """
    made: asyncio.Queue[Part | None] = asyncio.Queue()
    begun = asyncio.Semaphore(0)
    """Released for each sentence of which something has been taken."""

    async def speak() -> None:
        try:
            for number, sentence in enumerate(sentences):
                async with aclosing(sentence):
                    async for speech in sentence:
                        made.put_nowait(Part(speech, number))
                await begun.acquire()
        finally:
            made.put_nowait(None)

    speaking, last = asyncio.create_task(speak()), -1
    try:
        while (part := await made.get()) is not None:
            if part.sentence != last:
                last = part.sentence
                begun.release()
            yield part
        await speaking
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)

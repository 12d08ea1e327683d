"""A talking video that is watched while it is made: sentences are spoken, stretches drawn, both sent as they come.

A stretch is drawn as soon as what is heard around it has been spoken, in the middle of a sentence as well. While one is
on its way to the reader, the next are drawn and the sentence after them is spoken, and no more: a reader who takes his
time has it made no faster, and one who goes away ends it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from fractions import Fraction
from itertools import chain, repeat
from typing import Final

from pipeline.contracts import AnimationRequest, CodedStretch, Encoding, Speech, sample_at
from pipeline.graph import Graph
from pipeline.jobs.builder import Builder
from pipeline.jobs.listening import spoken
from pipeline.jobs.run import remade
from pipeline.jobs.turns import Rank
from pipeline.media.fragments import FragmentWriter
from pipeline.nodes.bench import Bench, Inputs
from pipeline.nodes.film import Shot
from pipeline.nodes.receive import check_size
from pipeline.nodes.sound import Part, Sound, ahead
from pipeline.nodes.speech import heard
from pipeline.nodes.stretching import asked_for, forget
from pipeline.storage.parcels import unpack_portrait
from pipeline.streams import to_its_end

FIRST_SECONDS: Final = (0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5)
"""Of the first stretches: short, so that the video begins soon, and longer little by little: where drawing one
takes half as long as it lasts, as with several readers at once, each comes in time."""
SECONDS: Final = 2.0
"""Of those that follow; each begins with a key frame."""
DRAWN_AHEAD: Final = 2
"""Stretches that are being drawn, or are and were not asked for yet."""


class Stream:
    """Makes the video that `graph` would make, in the same frames and the same sound, piece by piece.

    The sentences and the portrait are made as those of a job are: what is there already is taken, and what is made is
    there for the next. The film is not kept.
    """

    def __init__(self, graph: Graph, bench: Bench, builder: Builder, rank: Rank) -> None:
        self._graph = graph
        self._film = graph.target
        self._shot = Shot.model_validate(self._film.parameters)
        self._fps = Fraction(self._shot.fps)
        self._encoding = Encoding("mp4", self._shot.preset, self._shot.crf)
        self._bench = bench
        self._builder = builder
        self._rank = rank
        self.backend = self._film.backend
        self.frames = 0
        """Frames that were drawn and taken."""

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The file, in pieces that are not empty. Raises what its parts raise; of what is said, `TooLarge` where it
        lasts too long or grows too large and `InvalidText` where it is nothing."""
        sentences = "speech" in self._film.inputs
        parts: AsyncGenerator[Part | Speech] = ahead(self._sentences()) if sentences else self._recording()
        async with aclosing(parts):
            sound = Sound(parts, sentences=sentences)
            portrait = await self._seen_and_heard(sound)
            async with (
                aclosing(self._stretches(portrait, sound)) as stretches,
                aclosing(self._written(stretches, sound)) as pieces,
            ):
                async for piece in pieces:
                    yield piece

    async def _seen_and_heard(self, sound: Sound) -> AnimationRequest:
        """The portrait, when something has been said as well."""
        speaking = asyncio.create_task(sound.reach(1))
        try:
            portrait = await self._portrait()
            await speaking
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        return portrait

    async def _written(self, stretches: AsyncIterator[CodedStretch], sound: Sound) -> AsyncGenerator[bytes]:
        size, rate, fps = self._shot.size, sound.sample_rate, self._fps
        writer = await asyncio.to_thread(FragmentWriter, size=size, fps=fps, sample_rate=rate)
        written = 0
        async for stretch in stretches:
            start, begins = sample_at(self.frames, rate, fps), not self.frames
            self.frames += len(stretch.packets)
            writer.write_audio(sound.samples(start, sample_at(self.frames, rate, fps)))
            piece = await to_its_end(writer.write_pictures, stretch)
            if begins:
                piece = writer.header + piece
            written += len(piece)
            check_size(written, self._bench.settings.limits)
            yield piece
        if piece := await to_its_end(writer.finish):
            yield piece

    async def _stretches(self, portrait: AnimationRequest, sound: Sound) -> AsyncGenerator[CodedStretch]:
        """In order; DRAWN_AHEAD are being made while one is looked at, of the first ones fewer: where several readers
        begin at once, nobody's second stretch stands behind three of another's."""
        waiting: deque[asyncio.Task[CodedStretch | None]] = deque()
        out = 0
        runs = self._runs()
        try:
            while True:
                while len(waiting) <= min(DRAWN_AHEAD, out // 4):
                    waiting.append(asyncio.create_task(self._stretch(portrait, sound, *next(runs))))
                made = await waiting.popleft()
                if made is None:
                    return
                yield made
                out += 1
                forget(portrait, sound, self.frames)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _stretch(self, portrait: AnimationRequest, sound: Sound, first: int, count: int) -> CodedStretch | None:
        """Frames `first` to `first + count`, or as far as the sound goes; None past its end."""
        request = await asked_for(portrait, sound, first, count, self._bench.settings.limits)
        if request is None:
            return None
        return await self._bench.models.stretch(self._film.backend, request, self._encoding)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """First frame and count of stretch after stretch."""
        first = 0
        for seconds in chain(FIRST_SECONDS, repeat(SECONDS)):
            count = max(1, round(seconds * self._fps))
            yield first, count
            first += count

    async def _portrait(self) -> AnimationRequest:
        inputs = Inputs(self._bench.artifacts, await self._digests("portrait"))
        return self._shot.silent(unpack_portrait(await inputs.one("portrait")), *inputs.digests["portrait"])

    async def _recording(self) -> AsyncGenerator[Speech]:
        digests = await self._digests("audio", "transcript")
        yield await heard(Inputs(self._bench.artifacts, digests), self._bench.settings.limits, self._shot.language)

    def _sentences(self) -> Iterator[AsyncGenerator[Speech]]:
        for name in self._film.inputs["speech"]:
            yield spoken(self._graph, self._builder, self._bench.artifacts, name, self._rank)

    async def _digests(self, *roles: str) -> dict[str, tuple[str, ...]]:
        """Of what plays these roles in the film, as far as anything does."""
        found: dict[str, tuple[str, ...]] = {
            role: (digest,) for role, digest in self._film.given.items() if role in roles
        }
        for role in roles:
            if role in self._film.inputs:
                found[role] = tuple([await self._made(name) for name in self._film.inputs[role]])
        return found

    async def _made(self, name: str) -> str:
        return (await remade(self._graph, self._builder, name, self._rank)).artifact

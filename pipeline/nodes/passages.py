"""A long film, made in passages: each is kept when it is made, so that a crash costs no more than those being drawn,
and what is in memory does not grow with the film."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from fractions import Fraction
from pathlib import Path
from typing import Final

from pipeline import timings
from pipeline.contracts import AnimationRequest, CodedStretch, Encoding, Speech, sample_at
from pipeline.errors import BackendFailed, Damaged
from pipeline.media.fragments import FragmentWriter
from pipeline.media.rejoining import Rejoined
from pipeline.nodes.bench import Bench, Inputs, Passages, Tell
from pipeline.nodes.receive import check_size
from pipeline.nodes.sound import Sound
from pipeline.nodes.stretching import asked_for, forget
from pipeline.storage.artifacts import Stored
from pipeline.storage.parcels import unpack_speech
from pipeline.storage.scratch import scratch
from pipeline.streams import to_its_end

SECONDS: Final = 10.0
"""Of a passage, and the distance of key frames; the last lasts up to half as long again. As far apart as x264 has them
by itself at 25 frames a second: passages take no more bytes than the film in one piece."""

WHOLE_SECONDS: Final = 15.0
"""Films that are not longer are made in one piece."""

DRAWN_AHEAD: Final = 2
"""Passages that are being drawn, or wait for it, beside the one that comes next. Where there is one replica they stand
before whatever else wants it; where there are more, this is how far the work spreads."""

_PIECE: Final = 1 << 20


def cut_up(frames: int, fps: Fraction) -> Iterator[tuple[int, int]]:
    """First frame and count of each passage of a film."""
    length, first = max(1, round(SECONDS * fps)), 0
    while frames - first >= 1.5 * length:
        yield first, length
        first += length
    yield first, frames - first


async def spoken(inputs: Inputs) -> AsyncGenerator[Speech]:
    """The sentences, each read when it is wanted."""
    for digest in inputs.digests["speech"]:
        yield unpack_speech(await asyncio.to_thread(inputs.artifacts.read, digest))


async def spoken_samples(inputs: Inputs) -> tuple[int, int]:
    """How many samples all sentences have together, and their rate, found without holding more than one or two. Raises
    what `Sound.reach` raises."""
    async with aclosing(spoken(inputs)) as parts:
        sound = Sound(parts, sentences=True)
        while not sound.complete:
            await sound.reach(sound.length + 1)
            sound.forget(sound.length)
        return sound.length, sound.sample_rate


class PassageFilm:
    """Makes the film of a portrait and `frames` of sound, passage by passage, with a backend that makes stretches.

    `portrait` is the request for the whole film, whose speech is not looked at.
    """

    def __init__(
        self, backend: str, portrait: AnimationRequest, encoding: Encoding, frames: int, bench: Bench, tell: Tell
    ) -> None:
        self._backend = backend
        self._portrait = portrait
        self._encoding = encoding
        self._frames = frames
        self._bench = bench
        self._tell = tell
        self._done: dict[int, int] = {}

    async def made(self, sound: Sound, passages: Passages) -> Stored:
        """Makes what is not kept in `passages` yet, and puts the file together into the store. Raises what models
        raise, and `TooLarge` where the file grows past `limits.video_megabytes`."""
        places = list(cut_up(self._frames, self._portrait.fps))
        self._tell(0, self._frames)
        if not await _all_kept(len(places), passages):
            await sound.reach(1)
            await self._make(places, sound, passages)
        return await self._joined(len(places), passages)

    async def _make(self, places: list[tuple[int, int]], sound: Sound, passages: Passages) -> None:
        rate, fps = sound.sample_rate, self._portrait.fps
        writer = await asyncio.to_thread(FragmentWriter, size=self._portrait.size, fps=fps, sample_rate=rate)
        header, written = await passages.find(0), 0
        if header is None:
            await passages.forget()  # without it, nobody knows how the others were encoded
        async with aclosing(self._drawn(places, sound, passages)) as drawn:
            async for number, made in drawn:
                first, count = places[number - 1]
                end = sample_at(first + count, rate, fps)
                await sound.reach(end)
                writer.write_audio(sound.samples(sample_at(first, rate, fps), end))
                if isinstance(made, CodedStretch):
                    last = number == len(places)
                    piece = await to_its_end(lambda: writer.write_pictures(made, last=last))  # noqa: B023 - run at once
                    if header is None:
                        await passages.keep(0, header := writer.header, 0)
                    elif header != writer.header:
                        # Those of an earlier life were encoded by another version; the next attempt has none of them.
                        await passages.forget()
                        raise BackendFailed("The parts of the video were not encoded alike.", code="stretches_differ")
                    await passages.keep(number, piece, count)
                else:
                    piece = made
                    await to_its_end(writer.pass_over, count)
                written += len(piece)
                check_size(written, self._bench.settings.limits)
                forget(self._portrait, sound, first + count)

    async def _drawn(
        self, places: list[tuple[int, int]], sound: Sound, passages: Passages
    ) -> AsyncGenerator[tuple[int, CodedStretch | bytes]]:
        """Every passage in order, by number, or what is kept of it; the next are drawn meanwhile, by as many replicas
        as there are."""
        waiting: deque[asyncio.Task[CodedStretch | bytes]] = deque()
        coming = iter(enumerate(places, start=1))
        try:
            for number in range(1, len(places) + 1):
                while len(waiting) <= DRAWN_AHEAD and (following := next(coming, None)) is not None:
                    waiting.append(asyncio.create_task(self._passage(*following, sound, passages)))
                yield number, await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _passage(
        self, number: int, place: tuple[int, int], sound: Sound, passages: Passages
    ) -> CodedStretch | bytes:
        first, count = place
        kept = await passages.find(number)
        if kept is not None:
            self._told(first, count)
            return kept
        request = await asked_for(self._portrait, sound, first, count, self._bench.settings.limits)
        if request is None or request.frame_count != count:
            raise Damaged("The speech is shorter than it was when it was measured.")
        drawn: CodedStretch | None = None
        async for made in self._bench.models.passage(self._backend, request, self._encoding):
            if isinstance(made, CodedStretch):
                drawn = made
            else:
                self._told(first, made)
        if drawn is None:
            raise BackendFailed(f"lipsync-{self._backend} ended without the frames that it was asked for.")
        if (ledger := timings.current.get()) is not None:
            for stage, seconds in drawn.timings.items():
                ledger.add(stage, seconds)
        return drawn

    def _told(self, first: int, done: int) -> None:
        self._done[first] = done
        self._tell(sum(self._done.values()), self._frames)

    async def _joined(self, count: int, passages: Passages) -> Stored:
        with scratch() as folder:
            path = folder / "video.mp4"
            header = await self._kept(passages, 0)
            film = await asyncio.to_thread(Rejoined, path, header, self._portrait.fps)
            for number in range(1, count + 1):
                piece = await self._kept(passages, number)
                await to_its_end(film.write, piece)
            await to_its_end(film.close)
            return await asyncio.to_thread(self._stored, path)

    async def _kept(self, passages: Passages, number: int) -> bytes:
        kept = await passages.find(number)
        if kept is None:
            raise Damaged(f"Part {number} of the video was lost before the video was put together.")
        return kept

    def _stored(self, path: Path) -> Stored:
        with self._bench.artifacts.writer() as writer, path.open("rb") as file:
            while piece := file.read(_PIECE):
                writer.write(piece)
            return writer.commit()


async def _all_kept(count: int, passages: Passages) -> bool:
    """From the last on, which is kept after the others: mostly that one is all that has to be looked for."""
    for number in range(count, -1, -1):
        if await passages.find(number) is None:
            return False
    return True


async def one(speech: Speech) -> AsyncGenerator[Speech]:
    """A recording, as the parts of a `Sound`."""
    yield speech

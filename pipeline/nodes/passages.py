"""A long film, made in passages: each is kept when it is made, so that a crash costs no more than those being drawn,
and what is in memory does not grow with the film."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Final

from pipeline import timings
from pipeline.contracts import AnimationRequest, CodedStretch, Encoding, StretchRequest, frame_count, sample_at
from pipeline.errors import BackendFailed, Damaged
from pipeline.graph import digest_of
from pipeline.media.fragments import FragmentWriter
from pipeline.media.rejoining import Rejoined
from pipeline.nodes.bench import Bench, Passages, Tell
from pipeline.nodes.receive import check_size
from pipeline.nodes.sound import Sound
from pipeline.nodes.stretching import asked_for, forget
from pipeline.storage.artifacts import Stored
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


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a film of which all is known that is heard in it."""

    number: int
    """From 1 on."""
    request: StretchRequest
    last: bool
    sound: str
    """Digest of all of the sound from the beginning of the film to as far as this passage hears: what its bytes depend
    on, besides its number and the film's portrait and parameters."""

    @property
    def first(self) -> int:
        return self.request.first

    @property
    def count(self) -> int:
        return self.request.frame_count


async def is_long(sound: Sound, fps: Fraction) -> bool:
    """Whether a film of this sound is made in passages; found as soon as it is sure. Raises what `Sound.reach`
    raises."""
    await sound.reach(1)
    longest = math.floor(WHOLE_SECONDS * fps)
    await sound.reach(sample_at(longest, sound.sample_rate, fps) + 1)
    return frame_count(sound.length, sound.sample_rate, fps) > longest


class PassageFilm:
    """Makes the film of a portrait and a sound, passage by passage, with a backend that makes stretches.

    `portrait` is the request for the whole film, whose speech is not looked at. The sound may come while the film is
    made: a passage is drawn when it is known how it sounds, and that the film goes on after it or does not. `aside`
    lets others work while nothing can be drawn.
    """

    def __init__(
        self,
        backend: str,
        portrait: AnimationRequest,
        encoding: Encoding,
        bench: Bench,
        tell: Tell,
        aside: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._backend = backend
        self._portrait = portrait
        self._encoding = encoding
        self._bench = bench
        self._tell = tell
        self._aside = aside
        self._frames = 1
        self._sure = False
        self._done: dict[int, int] = {}

    def expect(self, frames: int, *, sure: bool = True) -> None:
        """How many frames it has, or is likely to have."""
        self._frames, self._sure = frames, sure
        self._tell_all()

    async def made(self, sound: Sound, heard: Callable[[], str], passages: Passages) -> tuple[Stored, int]:
        """Makes what is not kept in `passages` yet, and puts the file together into the store; how many frames it has.
        `heard` gives a digest of what `sound` was made of so far.

        Raises what models raise and what the sound raises, and `TooLarge` where the file grows past
        `limits.video_megabytes`.
        """
        await sound.reach(1)
        rate, fps = sound.sample_rate, self._portrait.fps
        writer = await asyncio.to_thread(FragmentWriter, size=self._portrait.size, fps=fps, sample_rate=rate)
        header, written, frames, parts = await passages.find(0), 0, 0, 0
        if header is None:
            await passages.forget()  # without it, nobody knows how the others were encoded
        async with aclosing(self._drawn(sound, heard, passages)) as drawn:
            async for passage, made in drawn:
                parts, frames = passage.number, passage.first + passage.count
                writer.write_audio(sound.samples(sample_at(passage.first, rate, fps), sample_at(frames, rate, fps)))
                if isinstance(made, CodedStretch):
                    piece = await to_its_end(lambda: writer.write_pictures(made, last=passage.last))  # noqa: B023 - run at once
                    if header is None:
                        await passages.keep(0, header := writer.header, 0)
                    elif header != writer.header:
                        # Those of an earlier life were encoded by another version; the next attempt has none of them.
                        await passages.forget()
                        raise BackendFailed("The parts of the video were not encoded alike.", code="stretches_differ")
                    await passages.keep(passage.number, piece, passage.count, passage.sound)
                else:
                    piece = made
                    await to_its_end(writer.pass_over, passage.count)
                written += len(piece)
                check_size(written, self._bench.settings.limits)
                forget(self._portrait, sound, frames)
        return await self._joined(parts, passages), frames

    async def _drawn(
        self, sound: Sound, heard: Callable[[], str], passages: Passages
    ) -> AsyncGenerator[tuple[Passage, CodedStretch | bytes]]:
        """Every passage in order, or what is kept of it; the next are drawn meanwhile, by as many replicas as there
        are, as far as their sound is known."""
        drawing: deque[tuple[Passage, asyncio.Task[CodedStretch | bytes]]] = deque()
        hearing: asyncio.Task[Passage | None] | None = None
        following, over = self._passages(sound, heard), False
        try:
            while True:
                if hearing is None and not over and len(drawing) <= DRAWN_AHEAD:
                    hearing = asyncio.create_task(anext(following, None))
                if not drawing:
                    if hearing is None:
                        return
                    await self._awaited(hearing)
                else:
                    first = {drawing[0][1]}
                    await asyncio.wait(
                        first if hearing is None else first | {hearing}, return_when=asyncio.FIRST_COMPLETED
                    )
                if hearing is not None and hearing.done():
                    passage, hearing = hearing.result(), None
                    if passage is None:
                        over = True
                    else:
                        drawing.append((passage, asyncio.create_task(self._passage(passage, passages))))
                elif drawing[0][1].done():
                    passage, task = drawing.popleft()
                    yield passage, task.result()
        finally:
            begun = [task for _, task in drawing] + ([] if hearing is None else [hearing])
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            await following.aclose()

    async def _awaited(self, hearing: asyncio.Task[Passage | None]) -> None:
        """Until more is heard. Meanwhile others may work, where that takes longer."""
        await asyncio.wait({hearing}, timeout=self._bench.patience)
        if not hearing.done():
            async with self._aside():
                await asyncio.wait({hearing})

    async def _passages(self, sound: Sound, heard: Callable[[], str]) -> AsyncGenerator[Passage]:
        """One after the other, as soon as all of its sound is known, and whether it is the last."""
        rate, fps, limits = sound.sample_rate, self._portrait.fps, self._bench.settings.limits
        length = max(1, round(SECONDS * fps))
        longest = math.ceil(1.5 * length)
        for number in count(1):
            first = (number - 1) * length
            await sound.reach(sample_at(first + longest, rate, fps) + 1)
            left = frame_count(sound.length, rate, fps) - first
            last = left < longest
            request = await asked_for(self._portrait, sound, first, left if last else length, limits)
            if request is None:
                raise BackendFailed(f"Part {number} of the video begins where the video has ended.")
            yield Passage(number, request, last, digest_of(heard(), sound.complete, request.frame_count))
            if last:
                return

    async def _passage(self, passage: Passage, passages: Passages) -> CodedStretch | bytes:
        kept = await passages.find(passage.number, passage.sound)
        if kept is not None:
            self._told(passage.first, passage.count)
            return kept
        drawn: CodedStretch | None = None
        async for made in self._bench.models.passage(self._backend, passage.request, self._encoding):
            if isinstance(made, CodedStretch):
                drawn = made
            else:
                self._told(passage.first, made)
        if drawn is None:
            raise BackendFailed(f"lipsync-{self._backend} ended without the frames that it was asked for.")
        if (ledger := timings.current.get()) is not None:
            for stage, seconds in drawn.timings.items():
                ledger.add(stage, seconds)
        return drawn

    def _told(self, first: int, done: int) -> None:
        self._done[first] = done
        self._tell_all()

    def _tell_all(self) -> None:
        made = sum(self._done.values())
        self._tell(made, max(made, self._frames), sure=self._sure)

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

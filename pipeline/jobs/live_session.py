"""A live session: one face on one timeline, that says what it is given, and otherwise breathes, blinks and waits."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from fractions import Fraction
from typing import Final, Literal

from pipeline.contracts import (
    HEARD_AFTER,
    HEARD_BEFORE,
    AnimationRequest,
    CodedStretch,
    ErrorBody,
    StretchRequest,
    sample_at,
)
from pipeline.contracts.live import LiveMessage, LiveNews
from pipeline.errors import Busy, MouthpieceError, TooLarge
from pipeline.jobs.live_face import LiveFace
from pipeline.jobs.live_sentence import LiveSentence
from pipeline.jobs.live_sound import LiveSound, quiet_before
from pipeline.jobs.live_text import LiveText, Whole
from pipeline.jobs.pace import Pace
from pipeline.media.fragments import FragmentWriter
from pipeline.media.stretches import codec
from pipeline.media.tracks import AUDIO_RATE
from pipeline.streams import to_its_end

FRAGMENT_SECONDS: Final = 0.32
"""Of every fragment: 8 frames at 25 a second. Each is drawn when it is due."""
LEAD_SECONDS: Final = 0.2
"""Of silence between what was drawn before anything was said and its first sound: the head and the lips are on their
way to it by then, as they are when all is known before."""
SPOKEN_AHEAD_SECONDS: Final = 12.0
"""Sentences are spoken until so much is waiting to be shown."""
STALLED_SECONDS: Final = 30.0
"""Who takes nothing for so long has gone."""

Reason = Literal["asked", "idle", "time"]
Outgoing = str | bytes
"""What goes to the client: news as JSON, or a piece of the video."""


class LiveSession:
    """One session, from `perform` to its end. One event loop. Whoever takes what it makes is what drives it on.

    The video is one timeline of sound that grows and one motion that follows it: stretches of a fragment's length, as
    `Stream` has them made, whose frames are those of the one video in which all of this is said. A fragment is drawn
    no sooner than it is due, so that what is said next, or not any more, takes effect at once.
    """

    def __init__(
        self,
        name: str,
        face: LiveFace,
        pace: Pace,
        latest: float,
        stalled: float = STALLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """It ends at `latest` by the clock, however much was shown by then."""
        self._name = name
        self._face = face
        self._pace = pace
        self._latest = latest
        self._clock = clock
        self._stalled = stalled
        settings = face.settings
        self._idle = settings.jobs.idle_seconds
        self._limit = settings.limits.text_characters
        self._fps: Fraction = face.fps
        self._count = max(1, round(FRAGMENT_SECONDS * self._fps))
        self._sound = LiveSound(AUDIO_RATE, face.language)
        self._text = LiveText(face.language, self._limit)
        self._sentences: deque[str] = deque()
        self._waiting = 0
        """Characters of the sentences that are not in the sound yet; one of them may be with the voice already."""
        self._work = asyncio.Event()
        """Set where there are sentences to be spoken, or more room for them."""
        self._speaking: asyncio.Task[None] | None = None
        self._outbox: deque[Outgoing] = deque()
        self._there = asyncio.Event()
        self._taken = asyncio.Event()
        self._over = False
        self._told = False
        """Whether the client knows that something is being said."""
        self._asked = False
        self._last_said = 0
        """The frame at which something was said last, by either side."""
        self._drawing = 0
        """The frame up to which is drawn what is being drawn."""
        self.frames = 0
        """Frames that went out."""

    async def perform(self) -> None:
        """Until the client asks for the end, says nothing for too long, or the session has lasted long enough. Raises
        what planning, drawing and writing raise, and `Busy` where nobody takes anything any more."""
        try:
            portrait = await self._face.portrait()
            self._speaking = asyncio.create_task(self._speak())
            await self._show(portrait)
        finally:
            self._over = True
            self._there.set()
            if self._speaking is not None:
                self._speaking.cancel()
                await asyncio.wait({self._speaking})

    async def _show(self, portrait: AnimationRequest) -> None:
        writer = await asyncio.to_thread(FragmentWriter, size=self._face.size, fps=self._fps, sample_rate=AUDIO_RATE)
        while (reason := self._ending()) is None:
            if self._speaking is not None and self._speaking.done():
                self._speaking.result()
            await self._room()
            await self._pace.until(float(self.frames / self._fps))
            made = await self._drawn(portrait)
            start, begins = sample_at(self.frames, AUDIO_RATE, self._fps), not self.frames
            self.frames += len(made.packets)
            end = sample_at(self.frames, AUDIO_RATE, self._fps)
            if begins:
                self._tell_ready(made)
            self._tell_states(start, end)
            writer.write_audio(self._sound.played(start, end))
            piece = await to_its_end(writer.write_pictures, made)
            if begins:
                self._put(writer.header)
            self._put(piece)
            self._sound.forget(end - self._margin(HEARD_BEFORE))
            self._work.set()
        if self.frames and (piece := await to_its_end(writer.finish)):
            self._put(piece)
        self._news(LiveNews(type="closed", at=self._seconds(self.frames), reason=reason))

    # What the client does

    async def take(self) -> list[Outgoing]:
        """What has come since, at least one thing; empty when all is over and has been taken."""
        while not self._outbox and not self._over:
            self._there.clear()
            await self._there.wait()
        items = list(self._outbox)
        self._outbox.clear()
        self._taken.set()
        return items

    def hear(self, message: LiveMessage) -> None:
        """Raises `TooLarge` where more text waits than may. What can't be said of a text is news for the client. Once
        the session is over, nothing happens."""
        if self._over:
            return
        self._last_said = self.frames
        if message.type == "interrupt":
            self._interrupt()
        elif message.type == "close":
            self._asked = True
        else:
            waiting = self._waiting + len(message.text)
            if waiting > self._limit:
                raise TooLarge(
                    f"{waiting} characters wait to be spoken.",
                    code="text_too_long",
                    field="text",
                    accepted=f"at most {self._limit} at a time",
                )
            self._written(self._text.add(message.text))
            if message.type == "end":
                self._written(self._text.end())
            self._work.set()

    def _written(self, whole: Whole) -> None:
        self._sentences += whole.sentences
        self._waiting += sum(map(len, whole.sentences))
        for error in whole.wrong:
            self._failed(error)

    def _interrupt(self) -> None:
        self._sentences.clear()
        self._waiting = 0
        self._text.drop()
        said = self._sound.stop(sample_at(self.frames, AUDIO_RATE, self._fps))
        at = self._seconds(self.frames)
        self._news(LiveNews(type="interrupted", at=at, text=said))
        if self._told:
            self._told = False
            self._news(LiveNews(type="listening", at=at))
        if self._speaking is not None and not self._speaking.done():
            # At once: what it waits for may be there already, and is not said any more.
            self._speaking.cancel()
            self._speaking = asyncio.create_task(self._speak())

    # What is said

    async def _speak(self) -> None:
        """Sentence after sentence, as far ahead as is of use. Whoever cancels it forgets them all."""
        while True:
            ahead = self._sound.end / AUDIO_RATE - self._seconds(self.frames)
            if not self._sentences or ahead > SPOKEN_AHEAD_SECONDS:
                self._work.clear()
                await self._work.wait()
                continue
            text = self._sentences.popleft()
            try:
                await self._say(text)
            except MouthpieceError as error:
                self._sound.hold(math.inf)
                self._failed(error)
            self._waiting -= len(text)

    async def _say(self, text: str) -> None:
        """One sentence, from its first parts on where the voice makes them in time, otherwise when it is finished."""
        sentence, begun = LiveSentence(AUDIO_RATE), False
        async with aclosing(self._face.spoken(text)) as parts:
            async for part in parts:
                await asyncio.to_thread(sentence.add, part, self._clock())
                if begun or sentence.in_time:
                    self._known(text, sentence, begun=begun, whole=False)
                    begun = True
        await asyncio.to_thread(sentence.finish)
        self._known(text, sentence, begun=begun, whole=True)

    def _known(self, text: str, sentence: LiveSentence, *, begun: bool, whole: bool) -> None:
        speech = sentence.speech
        if speech is None:
            return
        drawn = sample_at(self._drawing, AUDIO_RATE, self._fps)
        if begun:
            self._sound.go_on(speech, drawn + _samples(LEAD_SECONDS), whole=whole)
        else:
            lead = max(0.0, LEAD_SECONDS - quiet_before(speech))
            self._sound.say(text, speech, drawn + _samples(lead), whole=whole)

    def _tell_ready(self, first: CodedStretch) -> None:
        self._news(
            LiveNews(
                type="ready",
                id=self._name,
                content_type=f'video/mp4; codecs="{codec(first.header)},mp4a.40.2"',
                size=self._face.size,
                fps=float(self._fps),
            )
        )
        self._news(LiveNews(type="listening", at=0.0))

    def _tell_states(self, start: int, end: int) -> None:
        """What happens in samples `start` to `end`, before they go out."""
        for said in self._sound.beginning(start, end):
            self._told = True
            until = self._sound.until(said)
            self._news(
                LiveNews(
                    type="speaking",
                    at=round(said.at / AUDIO_RATE, 4),
                    until=None if until is None else round(until / AUDIO_RATE, 4),
                    text=said.text,
                )
            )
        if self._told:
            self._last_said = self.frames
            if self._sound.voiced <= end and not self._waiting:
                self._told = False
                self._news(LiveNews(type="listening", at=round(max(start, self._sound.voiced) / AUDIO_RATE, 4)))

    # What is seen

    async def _drawn(self, portrait: AnimationRequest) -> CodedStretch:
        """The next fragment's frames; drawn again where what they say was cut off meanwhile."""
        self._drawing = self.frames + self._count
        while True:
            cuts = self._sound.cuts
            # What may not be there in time is not begun: neither lips nor head would get from here to there.
            self._sound.hold(sample_at(self._drawing, AUDIO_RATE, self._fps) + _samples(LEAD_SECONDS))
            after = sample_at(self._drawing, AUDIO_RATE, self._fps) + self._margin(HEARD_AFTER)
            heard_from = max(0, self.frames - int(HEARD_BEFORE * self._fps) - 1)
            start = sample_at(heard_from, AUDIO_RATE, self._fps)
            animation = replace(portrait, speech=self._sound.heard(start, after))
            made = await self._face.stretch(StretchRequest(animation, heard_from, self.frames, self._count))
            if cuts == self._sound.cuts:
                return made

    def _ending(self) -> Reason | None:
        seconds = self._seconds(self.frames)
        if self._asked:
            return "asked"
        if self._clock() >= self._latest:
            return "time"
        if not self._told and not self._waiting and seconds - self._seconds(self._last_said) > self._idle:
            return "idle"
        return None

    # What goes out

    def _news(self, news: LiveNews) -> None:
        self._put(news.model_dump_json(exclude_none=True))

    def _failed(self, error: MouthpieceError) -> None:
        self._news(LiveNews(type="error", error=ErrorBody.model_validate(error.body()["error"])))

    def _put(self, item: Outgoing) -> None:
        self._outbox.append(item)
        self._there.set()

    async def _room(self) -> None:
        """Waits until the pieces that went out were taken. Raises `Busy` where nobody does."""
        try:
            async with asyncio.timeout(self._stalled):
                while any(isinstance(item, bytes) for item in self._outbox):
                    self._taken.clear()
                    await self._taken.wait()
        except TimeoutError:
            raise Busy(f"Nobody has taken anything for {self._stalled:g} s.", code="stalled") from None

    def _seconds(self, frames: int) -> float:
        return round(float(frames / self._fps), 4)

    def _margin(self, seconds: float) -> int:
        return _samples(seconds + 2 / float(self._fps)) + 1


def _samples(seconds: float) -> int:
    return round(seconds * AUDIO_RATE)

"""Live sessions: what a client opens one with, what it says in it, and what it is told."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from pipeline.contracts.requests import Backends, Drawing, VideoRequest
from pipeline.contracts.resources import ErrorBody
from pipeline.contracts.words import Contract, Language, Name, Pitch, Rate, Seed, Size, Speed

MESSAGE_CHARACTERS: Final = 65_536
"""Of the longest text that a client may send at once."""


class LiveRequest(Contract):
    """A face and a voice: the fields of `VideoRequest` that mean something where what is said comes later."""

    portrait: bytes | None = None
    """A photo with one face; in JSON its file in base64."""
    avatar: Name | None = None
    """Id or name of a stored avatar."""
    prompt: Annotated[str, Field(max_length=2000)] | None = None
    """Words for a portrait to draw. With no face given at all, one is drawn from the seed."""
    drawing: Drawing = Drawing()
    """How it is drawn."""
    voice: Name | None = None
    """Voice profile id or name, or a built-in voice of the voice backend."""
    voice_clip: bytes | None = None
    """A reference clip to take the voice's colour from; in JSON its file in base64."""
    language: Language = "en"
    speed: Speed = 1.0
    pitch: Pitch = 0.0
    size: Size | None = None
    fps: Rate | None = None
    seed: Seed = 0
    head_motion: Annotated[float, Field(ge=0, le=2)] = 1.0
    blink: bool = True
    backends: Backends = Backends()

    def video(self, text: str) -> VideoRequest:
        """The video in which the same face says `text` in the same voice."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return VideoRequest(text=text, **given)


class LiveMessage(Contract):
    """What a client says in a session. `text`: more of what is to be spoken, as it is written. `end`: that was all of
    it, so that an unfinished sentence is spoken as well. `interrupt`: nothing of it is spoken any more. `close`: the
    session is over."""

    type: Literal["text", "end", "interrupt", "close"]
    text: Annotated[str, Field(max_length=MESSAGE_CHARACTERS)] = ""


class LiveNews(Contract):
    """What a client is told in a session, between the pieces of the video. Times are seconds of that video."""

    type: Literal["ready", "listening", "speaking", "interrupted", "error", "closed"]
    """`ready`: the video begins with the next binary message. `speaking`: from `at` to `until`, `text` is said; without
    `until` where the voice has not finished it yet. `listening`: from `at` on, nothing is. `interrupted`: the speech
    was cut off at `at`, and `text` is what had been said by then of the sentence that was. `error`: something could not
    be said, or this is the end. `closed`: the video ends at `at`, for this `reason`."""
    at: float | None = None
    until: float | None = None
    text: str | None = None
    error: ErrorBody | None = None
    reason: Literal["asked", "idle", "time"] | None = None
    id: str | None = None
    content_type: str | None = None
    """What Media Source Extensions ask for: `video/mp4; codecs="..."`."""
    size: int | None = None
    fps: float | None = None

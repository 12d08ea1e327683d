"""/v1/audio/speech: speech in OpenAI's shapes."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field, WithJsonSchema

from deployments.ingress.answers import THEIR_ERRORS, Described, file, streamed
from deployments.ingress.openai_models import backend_of, ignored, usage
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import AudioFormat, Language, Name, SpeakRequest, Speed
from pipeline.errors import MouthpieceError, renamed
from pipeline.media.audio import CONTENT_TYPES

LONGEST: Final = 4096
"""Characters of `input`, as OpenAI has it; longer texts go to /api/v1/speech."""

NAME: Final = {"type": "string", "minLength": 1, "maxLength": 100}

VOICES: Final[dict[str, tuple[str, ...]]] = {
    "alloy": ("Annie", "slt"),
    "ash": ("m1", "rms"),
    "ballad": ("m2", "awb"),
    "coral": ("f1", "slt"),
    "echo": ("m3", "kal16"),
    "fable": ("m4", "awb"),
    "onyx": ("m5", "kal"),
    "nova": ("f2", "slt"),
    "sage": ("f3", "slt"),
    "shimmer": ("f4", "slt"),
    "verse": ("m6", "rms"),
    "marin": ("f5", "slt"),
    "cedar": ("m7", "kal16"),
}
"""OpenAI's voices, and the built-in voices of our backends that stand for each: the first that the backend has.

They are of the same sex, as far as the backends go, and otherwise sound nothing alike. A backend that has none of
them gives its English voices in its own order, over and over, to the names in this order.
"""


def _by_id(voice: Any) -> Any:
    return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice


Voice = Annotated[
    Name,
    BeforeValidator(_by_id),
    WithJsonSchema(
        {
            "description": "A voice profile, a built-in voice of the backend, or one of OpenAI's: `alloy`.",
            "anyOf": [
                NAME,
                {"type": "object", "properties": {"id": NAME}, "required": ["id"], "additionalProperties": False},
            ],
        }
    ),
]
"""`"alloy"`, or `{"id": "voi_..."}`."""


class SpeechCreation(Described):
    """Speech from text; the field names are OpenAI's."""

    input: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    """What to say."""
    model: Annotated[str, Field(max_length=200)]
    """`voice-espeak`, `espeak`, or one of OpenAI's: `tts-1`."""
    voice: Voice
    instructions: Annotated[str, Field(max_length=LONGEST)] | None = None
    """Accepted; no backend here can follow them, which the header X-Mouthpiece-Ignored says."""
    response_format: AudioFormat = "mp3"
    speed: Speed = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    language: Language | None = None
    """Not OpenAI's: the language of `input`, where it is not the voice's own."""


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/v1/audio", tags=["openai"], responses=THEIR_ERRORS)

    @routes.post(
        "/speech",
        response_class=StreamingResponse,
        responses=file(*CONTENT_TYPES.values(), "text/event-stream"),
        openapi_extra=body_schema(SpeechCreation),
    )
    async def speech(request: Request) -> StreamingResponse:
        """Speak a text: an audio file as it is made, or the same in server-sent events."""
        wanted = await read(request, SpeechCreation)
        backend = await backend_of(operations, "voice", wanted.model)
        voice, language = await _voice(operations, backend, wanted)
        format = wanted.response_format
        asked = SpeakRequest(
            text=wanted.input, voice=voice, language=language, speed=wanted.speed, format=format, backend=backend
        )
        headers = ignored("instructions" if wanted.instructions else None)
        with renamed(text="input"):
            sound = operations.speak(asked)
            if wanted.stream_format == "sse":
                events = _events(sound, wanted.input)
                return await streamed(events, "text/event-stream", headers | {"Cache-Control": "no-store"})
            return await streamed(sound, CONTENT_TYPES[format], headers)

    return routes


async def _voice(operations: Operations, backend: str, wanted: SpeechCreation) -> tuple[str, str]:
    """The voice in our own words, and the language that it is to speak.

    OpenAI's request names no language: a voice that does not speak English speaks its own.
    """
    known = await operations.voices()
    builtin = known.builtin[backend]
    name = wanted.voice
    ours = name in builtin or any(name in (profile.id, profile.name) for profile in known.profiles)
    if not ours and name in VOICES:
        name = stand_in(name, builtin)
    tags = builtin.get(name, ())
    foreign = bool(tags) and not any(_english(tag) for tag in tags)
    return name, wanted.language or (tags[0] if foreign else "en")


def stand_in(name: str, builtin: dict[str, tuple[str, ...]]) -> str:
    """The built-in voice that stands for OpenAI's voice `name`: see `VOICES`."""
    for candidate in VOICES[name]:
        if candidate in builtin:
            return candidate
    english = [voice for voice, tags in builtin.items() if any(_english(tag) for tag in tags)] or list(builtin)
    return english[list(VOICES).index(name) % len(english)]


def _english(tag: str) -> bool:
    return tag.partition("-")[0] == "en"


async def _events(sound: AsyncIterator[bytes], text: str) -> AsyncIterator[bytes]:
    count = 0
    try:
        async for piece in sound:
            count += 1
            yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    except MouthpieceError as error:
        if not count:
            raise  # nothing is sent yet, so the answer can still have its status
        yield _event(error.body())
        return
    yield _event({"type": "speech.audio.done", "usage": usage(text, count).model_dump()})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()

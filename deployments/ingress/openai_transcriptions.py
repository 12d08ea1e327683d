"""/v1/audio/transcriptions: what a recording says, in OpenAI's shapes."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from deployments.ingress.answers import THEIR_ERRORS, Described, file, streamed
from deployments.ingress.openai_models import THEIRS, backend_of, ignored
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import Contract, Language, SpokenWord, Text, TranscribeRequest, Transcription
from pipeline.errors import InvalidRequest, renamed
from pipeline.media.subtitles import PAUSE, TYPES, ends_sentence, written
from pipeline.text import joined

FILES: Final = ("file",)

EDGES: Final = "\"'“”‘’«»‹›()[]{}.,;:!?…。，、；：！？「」『』¿¡—–"
"""Punctuation that OpenAI's `words` are without."""


class TranscriptionCreation(Described):
    """A recording to write down; the field names are OpenAI's."""

    file: bytes
    """Any common recording, also a film."""
    model: Annotated[str, Field(max_length=200)]
    """`transcribe-whisper`, `whisper`, or one of OpenAI's: `whisper-1`."""
    language: Language | None = None
    prompt: Annotated[str, Field(max_length=4000)] | None = None
    """Words and spellings to expect."""
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.0
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    """For verbose_json; segments alone where it is not given."""
    stream: bool = False
    """Server-sent events, a segment each, once all is written down."""
    include: list[Literal["logprobs"]] | None = None
    chunking_strategy: Annotated[str, Field(max_length=500)] | None = None
    """Accepted; the header X-Mouthpiece-Ignored says that it changes nothing, as of `include`."""
    text: Text | None = None
    """Not OpenAI's: what is said, where that is known; its words are only found in time then."""


class Seconds(Contract):
    type: Literal["duration"] = "duration"
    seconds: float


class PlainTranscription(Contract):
    text: str
    usage: Seconds


class TheirWord(Contract):
    word: str
    start: float
    end: float


class Segment(Described):
    """A sentence, or what is between two pauses."""

    id: int
    seek: int = 0
    start: float
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    """Empty: models here are not asked for their tokens."""
    temperature: float
    avg_logprob: float
    """Mean logarithm of the words' confidences."""
    compression_ratio: float
    no_speech_prob: float
    """Of the whole recording."""


class VerboseTranscription(Contract):
    task: Literal["transcribe"] = "transcribe"
    language: str
    duration: float
    text: str
    segments: list[Segment] | None = None
    words: list[TheirWord] | None = None
    usage: Seconds


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/v1/audio", tags=["openai"], responses=THEIR_ERRORS)
    others = file("text/plain", "application/x-subrip", "text/vtt", "text/event-stream")[200]["content"]

    @routes.post(
        "/transcriptions",
        response_model=VerboseTranscription | PlainTranscription,
        responses={200: {"description": "The transcription.", "content": others}},
        openapi_extra=body_schema(TranscriptionCreation, FILES),
    )
    async def transcriptions(request: Request) -> Response:
        """Write a recording down, as JSON, plain text or subtitles."""
        wanted = await read(request, TranscriptionCreation, FILES)
        if wanted.timestamp_granularities is not None and wanted.response_format != "verbose_json":
            raise InvalidRequest(
                "Times of words and segments come in verbose_json.", field="response_format", accepted="verbose_json"
            )
        theirs = THEIRS["transcribe"].fullmatch(wanted.model) is not None
        asked = TranscribeRequest(
            audio=wanted.file,
            text=wanted.text,
            language=wanted.language,
            prompt=wanted.prompt,
            temperature=wanted.temperature,
            backend=None if theirs else await backend_of(operations, "transcribe", wanted.model),
        )
        headers = ignored(*(name for name in ("include", "chunking_strategy") if getattr(wanted, name) is not None))
        with renamed(audio="file"):
            found = await operations.transcribe(asked)
        if wanted.stream:
            return await streamed(_events(found), "text/event-stream", headers | {"Cache-Control": "no-store"})
        if wanted.response_format in ("json", "verbose_json"):
            answer = _verbose(found, wanted) if wanted.response_format == "verbose_json" else _plain(found)
            body = answer.model_dump_json(exclude_none=True).encode()
            return Response(body, media_type="application/json", headers=headers)
        if wanted.response_format == "text":
            return Response(f"{found.text}\n", media_type=TYPES["text"], headers=headers)
        shown = written(found.words, wanted.response_format)
        return Response(shown, media_type=TYPES[wanted.response_format], headers=headers)

    return routes


def _plain(found: Transcription) -> PlainTranscription:
    return PlainTranscription(text=found.text, usage=Seconds(seconds=found.seconds))


def _verbose(found: Transcription, wanted: TranscriptionCreation) -> VerboseTranscription:
    granularities = wanted.timestamp_granularities or ["segment"]
    words = [
        TheirWord(word=word.text.strip(EDGES) or word.text, start=word.start, end=word.end) for word in found.words
    ]
    segments = [
        Segment(
            id=number,
            start=run[0].start,
            end=run[-1].end,
            text=_text(run),
            temperature=wanted.temperature,
            avg_logprob=sum(math.log(max(word.confidence, 1e-4)) for word in run) / len(run),
            compression_ratio=len(_text(run).encode()) / len(zlib.compress(_text(run).encode())),
            no_speech_prob=found.no_speech,
        )
        for number, run in enumerate(segments_of(found.words))
    ]
    return VerboseTranscription(
        language=found.language,
        duration=found.seconds,
        text=found.text,
        segments=segments if "segment" in granularities else None,
        words=words if "word" in granularities else None,
        usage=Seconds(seconds=found.seconds),
    )


def segments_of(words: tuple[SpokenWord, ...]) -> list[list[SpokenWord]]:
    """Sentences, and what is between two pauses."""
    runs: list[list[SpokenWord]] = []
    for word in words:
        if not runs or ends_sentence(runs[-1][-1].text) or word.start - runs[-1][-1].end >= PAUSE:
            runs.append([])
        runs[-1].append(word)
    return runs


def _text(run: list[SpokenWord]) -> str:
    return joined(word.text for word in run)


async def _events(found: Transcription) -> AsyncIterator[bytes]:
    given = ""
    for run in segments_of(found.words):
        whole = joined([given, _text(run)]) if given else _text(run)
        yield _event({"type": "transcript.text.delta", "delta": whole[len(given) :]})
        given = whole
    spent = Seconds(seconds=found.seconds).model_dump()
    yield _event({"type": "transcript.text.done", "text": given, "usage": spent})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()

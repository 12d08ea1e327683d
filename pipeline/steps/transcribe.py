"""Speech to text, and known text to its times in a recording, with the backend that a request means."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from pipeline.contracts import Speech, TranscribeRequest, Transcript, Transcription, TranscriptionRequest
from pipeline.media.audio import check_speech, decode_audio
from pipeline.media.subtitles import as_transcription
from pipeline.models import Models
from pipeline.settings import Limits
from pipeline.text import normalise


def hearing(models: Models, name: str | None, text: str | None) -> str:
    """The backend for a recording: `name`, or the default. Where neither a name nor a text is given, the first that
    recognises speech; where none does, the default, which says so. Raises `UnknownName`."""
    chosen = models.choose("transcribe", name)
    if name is None and text is None and not models.recognises(chosen):
        return next((other for other in models.enabled("transcribe") if models.recognises(other)), chosen)
    return chosen


async def transcribed(
    models: Models,
    backend: str,
    audio: bytes,
    limits: Limits,
    *,
    text: str | None = None,
    language: str | None = None,
    prompt: str | None = None,
    temperature: float = 0.0,
) -> tuple[Transcript, float]:
    """What a recording says, and its seconds. Raises what `decode_audio`, `check_speech`, `normalise` and the backend
    raise."""
    known = None if text is None else normalise(text, limit=limits.text_characters)

    def decoded() -> tuple[np.ndarray, int]:
        samples, rate = decode_audio(audio, field="audio", max_seconds=limits.audio_seconds)
        check_speech(samples, rate, "audio")
        return samples, rate

    samples, rate = await asyncio.to_thread(decoded)
    asked = TranscriptionRequest(samples, rate, known, language and language.lower(), prompt, temperature)
    return await models.transcribe(backend, asked), len(samples) / rate


async def transcription(models: Models, request: TranscribeRequest, limits: Limits) -> Transcription:
    """What a client's recording says. Raises what `hearing` and `transcribed` raise."""
    backend = hearing(models, request.backend, request.text)
    found, seconds = await transcribed(
        models,
        backend,
        request.audio,
        limits,
        text=request.text,
        language=request.language,
        prompt=request.prompt,
        temperature=request.temperature,
    )
    return as_transcription(found, seconds, backend)


async def worded(models: Models, backend: str, speech: Speech, text: str) -> Speech:
    """Speech of a text, with the times of its words: the voice's own where it gave any."""
    if speech.words is not None or not len(speech.samples):
        return replace(speech, words=speech.words or ())
    asked = TranscriptionRequest(speech.samples, speech.sample_rate, text, speech.language.lower())
    return replace(speech, words=(await models.transcribe(backend, asked)).words)

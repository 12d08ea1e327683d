"""Text to speech with the voice a request means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from pipeline.contracts import AudioFormat, Samples, Speech, SpeechRequest, VoiceConditioning, VoiceTint
from pipeline.errors import InvalidAudio, InvalidRequest, NotFound, UnknownName, renamed
from pipeline.media.audio import decode_audio, encode_audio
from pipeline.models import Models
from pipeline.recent import Recent
from pipeline.settings import Limits
from pipeline.storage.voices import VoiceStore
from pipeline.streams import from_thread, into_thread


@dataclass(frozen=True, slots=True)
class Spoken:
    """Who speaks, how: the voice part of a request, resolved."""

    backend: str
    voice: str | None = None
    tint: VoiceTint | None = None
    conditioning: VoiceConditioning | None = None


Heard = VoiceTint | VoiceConditioning
"""What a voice backend takes from a reference clip: a conditioning if it clones, else a tint."""


async def measure(models: Models, backend: str, clip: bytes, limits: Limits) -> VoiceTint:
    """The tint of a reference clip. Raises `InvalidAudio` (field `voice_clip`) with the reason."""
    samples, rate = await _decoded(clip, limits)
    with renamed(clip="voice_clip"):
        return await models.tint(backend, samples, rate)


async def heard(models: Models, backend: str, clip: bytes, limits: Limits) -> Heard:
    """What the backend takes from a reference clip. Raises like `measure`."""
    if not models.clones(backend):
        return await measure(models, backend, clip, limits)
    samples, rate = await _decoded(clip, limits)
    with renamed(clip="voice_clip"):
        return await models.condition(backend, samples, rate)


async def _decoded(clip: bytes, limits: Limits) -> tuple[Samples, int]:
    samples, rate = await asyncio.to_thread(decode_audio, clip, field="voice_clip", max_seconds=limits.clip_seconds_max)
    if len(samples) < limits.clip_seconds_min * rate:
        raise InvalidAudio(
            f"The clip is {len(samples) / rate:.1f} s long.",
            code="too_short",
            field="voice_clip",
            accepted=f"at least {limits.clip_seconds_min:g} s",
        )
    return samples, rate


ALL_VOICES: Final = "`mouthpiece voice list` and GET /api/v1/voices have all"
"""Voices, and the languages that they speak."""


class Speaker:
    """Finds the voice that a request means and speaks with it."""

    def __init__(self, models: Models, shelf: VoiceStore, limits: Limits) -> None:
        self._models = models
        self._shelf = shelf
        self._limits = limits
        self._heard: Recent[Heard] = Recent(32)
        self._voices: dict[str, dict[str, tuple[str, ...]]] = {}

    async def resolve(self, *, backend: str | None, voice: str | None, clip: bytes | None, language: str) -> Spoken:
        """Raises `UnknownName` for a backend, voice or language that is not here, `InvalidAudio` for a bad clip,
        `InvalidRequest` for a voice and a clip at once, and with code voice_language for a voice of another one."""
        name = self._models.choose("voice", backend)
        builtin = await self._builtin(name)
        if not _speaks(language, (tag for tags in builtin.values() for tag in tags)):
            tags = sorted({tag for tags in builtin.values() for tag in tags})
            raise UnknownName.of("language", language, tags, field="language", whole=ALL_VOICES)
        if voice is not None and clip is not None:
            raise InvalidRequest(
                "A voice and a voice clip are two voices.", field="voice_clip", accepted="voice or voice_clip, not both"
            )
        if clip is not None:
            return _as(name, await self._hear(name, clip))
        if voice is None:
            return Spoken(name)
        try:
            return await self.kept(name, voice)
        except NotFound as error:
            base, plus, timbre = voice.partition("+")  # en-us+f3: one voice's language with the timbre of another
            if base not in builtin or (plus and timbre not in builtin):
                profiles = [profile.name for profile in await asyncio.to_thread(self._shelf.list)]
                names = [*profiles, *builtin]
                raise UnknownName.of("voice", voice, names, field="voice", whole=ALL_VOICES) from error
            if not _speaks(language, builtin[base]):
                raise InvalidRequest(
                    f"The voice {voice!r} does not speak {language!r}.",
                    code="voice_language",
                    field="language",
                    accepted=", ".join(builtin[base]),
                ) from error
            return Spoken(name, voice)

    async def kept(self, backend: str, voice: str) -> Spoken:
        """A profile's voice, by id or name, spoken by this backend. Raises `NotFound`.

        What a backend that clones makes of the profile's clip is made once, and kept in the profile.
        """
        identity = (await asyncio.to_thread(self._shelf.get, voice)).id
        if not self._models.clones(backend):
            return Spoken(backend, tint=await asyncio.to_thread(self._shelf.tint, identity))
        fingerprint = self._models.fingerprint("voice", backend)
        found = await asyncio.to_thread(self._shelf.conditioning, identity, backend, fingerprint)
        if found is None:
            samples, rate = await asyncio.to_thread(self._shelf.clip, identity)
            found = await self._models.condition(backend, samples, rate)
            await asyncio.to_thread(self._shelf.keep_conditioning, identity, backend, fingerprint, found)
        return Spoken(backend, conditioning=found)

    async def measure(self, backend: str, clip: bytes) -> VoiceTint:
        """The tint of a reference clip. Raises `InvalidAudio` with the reason where it can't be used."""
        return await measure(self._models, backend, clip, self._limits)

    async def _hear(self, backend: str, clip: bytes) -> Heard:
        key = Recent.key(backend.encode(), clip)
        found = self._heard.get(key)
        if found is None:
            found = await heard(self._models, backend, clip, self._limits)
            self._heard.put(key, found)
        return found

    def speak(
        self, spoken: Spoken, text: str, language: str, speed: float = 1.0, pitch: float = 0.0
    ) -> AsyncIterator[Speech]:
        """A normalised text, sentence by sentence or in smaller pieces, as they are made."""
        request = SpeechRequest(
            text=text,
            language=language.lower(),
            voice=spoken.voice,
            tint=spoken.tint,
            conditioning=spoken.conditioning,
            speed=speed,
            pitch=pitch,
        )
        return self._models.speak(spoken.backend, request)

    async def _builtin(self, backend: str) -> dict[str, tuple[str, ...]]:
        if backend not in self._voices:
            self._voices[backend] = await self._models.voices(backend)
        return self._voices[backend]

    async def builtin(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Backend -> built-in voice -> language tags, for every enabled voice backend."""
        return {name: await self._builtin(name) for name in self._models.enabled("voice")}


async def encoded(speech: AsyncIterator[Speech], format: AudioFormat) -> AsyncIterator[bytes]:
    """Speech as an audio file, in pieces as it is spoken."""
    first = await anext(speech)
    loop = asyncio.get_running_loop()

    async def rest() -> AsyncIterator[Samples]:
        yield first.samples
        async for part in speech:
            yield part.samples

    def pieces() -> Iterable[bytes]:
        return encode_audio(into_thread(rest(), loop), first.sample_rate, format)

    async for piece in from_thread(lambda: iter(pieces())):
        yield piece


def _as(backend: str, heard: Heard) -> Spoken:
    if isinstance(heard, VoiceTint):
        return Spoken(backend, tint=heard)
    return Spoken(backend, conditioning=heard)


def _speaks(language: str, tags: Iterable[str]) -> bool:
    """Whether a language is one of the tags, or a wider or narrower form of one: en, en-us, en-us-nyc."""
    wanted = language.lower()
    return any(
        wanted == tag or tag.startswith(f"{wanted}-") or wanted.startswith(f"{tag}-")
        for tag in (tag.lower() for tag in tags)
    )

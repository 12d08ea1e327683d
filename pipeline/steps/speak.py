"""Text to speech with the voice a request means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from pipeline.contracts import Speech, SpeechRequest, VoiceTint
from pipeline.errors import InvalidAudio, InvalidRequest, NotFound, UnknownName, renamed
from pipeline.media.audio import decode_audio
from pipeline.models import Models
from pipeline.recent import Recent
from pipeline.settings import Limits
from pipeline.storage.voices import VoiceStore


@dataclass(frozen=True, slots=True)
class Spoken:
    """Who speaks, how: the voice part of a request, resolved."""

    backend: str
    voice: str | None
    tint: VoiceTint | None


async def measure(models: Models, backend: str, clip: bytes, limits: Limits) -> VoiceTint:
    """The tint of a reference clip. Raises `InvalidAudio` (field `voice_clip`) with the reason."""
    samples, rate = await asyncio.to_thread(decode_audio, clip, field="voice_clip", max_seconds=limits.clip_seconds_max)
    if len(samples) < limits.clip_seconds_min * rate:
        raise InvalidAudio(
            f"The clip is {len(samples) / rate:.1f} s long.",
            code="too_short",
            field="voice_clip",
            accepted=f"at least {limits.clip_seconds_min:g} s",
        )
    with renamed(clip="voice_clip"):
        return await models.tint(backend, samples, rate)


class Speaker:
    """Finds the voice that a request means and speaks with it."""

    def __init__(self, models: Models, shelf: VoiceStore, limits: Limits) -> None:
        self._models = models
        self._shelf = shelf
        self._limits = limits
        self._tints: Recent[VoiceTint] = Recent(32)
        self._voices: dict[str, dict[str, tuple[str, ...]]] = {}

    async def resolve(self, *, backend: str | None, voice: str | None, clip: bytes | None, language: str) -> Spoken:
        """Raises `UnknownName` for a backend, voice or language that is not here, `InvalidAudio` for a bad clip,
        `InvalidRequest` for a voice and a clip at once, and with code voice_language for a voice of another one."""
        name = self._models.choose("voice", backend)
        builtin = await self._builtin(name)
        if not _speaks(language, (tag for tags in builtin.values() for tag in tags)):
            tags = sorted({tag for tags in builtin.values() for tag in tags})
            raise UnknownName.of("language", language, tags, field="language")
        if voice is not None and clip is not None:
            raise InvalidRequest(
                "A voice and a voice clip are two voices.", field="voice_clip", accepted="voice or voice_clip, not both"
            )
        if clip is not None:
            return Spoken(name, None, await self.measure(name, clip))
        if voice is None:
            return Spoken(name, None, None)
        try:
            return Spoken(name, None, await asyncio.to_thread(self.kept, voice))
        except NotFound as error:
            base, plus, timbre = voice.partition("+")  # en-us+f3: one voice's language with the timbre of another
            if base not in builtin or (plus and timbre not in builtin):
                profiles = [profile.name for profile in await asyncio.to_thread(self._shelf.list)]
                raise UnknownName.of("voice", voice, [*profiles, *builtin], field="voice") from error
            if not _speaks(language, builtin[base]):
                raise InvalidRequest(
                    f"The voice {voice!r} does not speak {language!r}.",
                    code="voice_language",
                    field="language",
                    accepted=", ".join(builtin[base]),
                ) from error
            return Spoken(name, voice, None)

    def kept(self, voice: str) -> VoiceTint:
        """The tint of a profile, by id or name; reads files. Raises `NotFound`."""
        return self._shelf.tint(self._shelf.get(voice).id)

    async def measure(self, backend: str, clip: bytes) -> VoiceTint:
        """The tint of a reference clip. Raises `InvalidAudio` with the reason where it can't be used."""
        key = Recent.key(backend.encode(), clip)
        found = self._tints.get(key)
        if found is None:
            found = await measure(self._models, backend, clip, self._limits)
            self._tints.put(key, found)
        return found

    def speak(
        self, spoken: Spoken, text: str, language: str, speed: float = 1.0, pitch: float = 0.0
    ) -> AsyncIterator[Speech]:
        """One `Speech` per sentence of a normalised text, as they are made."""
        request = SpeechRequest(
            text=text,
            language=language.lower(),
            voice=spoken.voice,
            tint=spoken.tint,
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


def _speaks(language: str, tags: Iterable[str]) -> bool:
    """Whether a language is one of the tags, or a wider or narrower form of one: en, en-us, en-us-nyc."""
    wanted = language.lower()
    return any(
        wanted == tag or tag.startswith(f"{wanted}-") or wanted.startswith(f"{tag}-")
        for tag in (tag.lower() for tag in tags)
    )

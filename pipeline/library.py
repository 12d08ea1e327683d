"""Voices and faces that are kept: made from uploads, used by id ever after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pipeline.contracts import Avatar, PortraitRequest, Speech, VoiceList, VoiceProfile
from pipeline.errors import InvalidRequest
from pipeline.media.audio import decode_audio
from pipeline.media.image import encode_png
from pipeline.models import Models
from pipeline.settings import Settings
from pipeline.steps.locate import Locator, Portrait
from pipeline.steps.speak import Speaker, Spoken
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.voices import VoiceStore

PREVIEW = "Hello, this is how I sound. The quick brown fox jumps over the lazy dog."
"""Said by a preview that names no text; the second sentence holds every letter of English."""


class Library:
    """The operations on voice profiles and avatars."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        speaker: Speaker,
        locator: Locator,
        voices: VoiceStore,
        avatars: AvatarStore,
    ) -> None:
        self._models = models
        self._settings = settings
        self._speaker = speaker
        self._locator = locator
        self._voices = voices
        self._avatars = avatars

    async def create_voice(self, name: str, clip: bytes) -> VoiceProfile:
        """Measures the clip and keeps the profile. Raises `InvalidAudio` with the reason, `Conflict` for the name."""
        backend = self._models.choose("voice", None)
        tint = await self._speaker.measure(backend, clip)
        longest = self._settings.limits.clip_seconds_max
        samples, rate = await asyncio.to_thread(decode_audio, clip, field="clip", max_seconds=longest)
        usable = self._models.enabled("voice")
        return await asyncio.to_thread(self._voices.create, name, samples, rate, tint, usable)

    async def voices(self) -> VoiceList:
        profiles = await asyncio.to_thread(self._voices.list)
        return VoiceList(profiles=tuple(profiles), builtin=await self._speaker.builtin())

    def voice(self, voice: str) -> VoiceProfile:
        return self._voices.get(voice)

    def preview_voice(self, voice: str, text: str | None, language: str) -> AsyncIterator[Speech]:
        """The profile's voice, saying `text` or a sentence of ours."""
        tint = self._voices.tint(self._voices.get(voice).id)
        spoken = Spoken(self._models.choose("voice", None), None, tint)
        return self._speaker.speak(spoken, text or PREVIEW, language)

    def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return self._voices.rename(self._voices.get(voice).id, name)

    def delete_voice(self, voice: str) -> None:
        self._voices.delete(self._voices.get(voice).id)

    async def create_avatar(
        self, name: str, portrait: bytes | None, prompt: str | None, size: int | None, seed: int
    ) -> Avatar:
        """Keeps the face of a photo, or of a portrait drawn from a prompt."""
        if portrait is not None and prompt is not None:
            raise InvalidRequest(
                "portrait and prompt are given at once.", code="two_sources", field="prompt", accepted="one of them"
            )
        if portrait is not None:
            found = await self._locator.photo(portrait, None)
            return await self._keep(name, found, "photo")
        side = size or self._settings.video.size
        backend = self._models.choose("avatar", None)
        picture = await self._models.draw(backend, PortraitRequest(prompt or "", side, seed))
        return await self._keep(name, await self._locator.picture(picture, None), "prompt")

    async def _keep(self, name: str, portrait: Portrait, source: str) -> Avatar:
        return await asyncio.to_thread(self._avatars.create, name, portrait.picture, portrait.face, source)

    def avatars(self) -> list[Avatar]:
        return self._avatars.list()

    def avatar(self, avatar: str) -> Avatar:
        return self._avatars.get(avatar)

    def avatar_png(self, avatar: str) -> bytes:
        return encode_png(self._avatars.picture(self._avatars.get(avatar).id))

    def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return self._avatars.rename(self._avatars.get(avatar).id, name)

    def delete_avatar(self, avatar: str) -> None:
        self._avatars.delete(self._avatars.get(avatar).id)

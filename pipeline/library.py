"""Voices, consents and faces that are kept: made from uploads, used by id ever after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

from pipeline.contracts import Avatar, Consent, Drawing, DrawRequest, NewAvatar, Speech, VoiceList, VoiceProfile
from pipeline.errors import Conflict, InvalidRequest, renamed
from pipeline.media.audio import check_speech, decode_audio
from pipeline.media.image import encode_png
from pipeline.models import Models
from pipeline.plan import DRAWN
from pipeline.settings import Settings
from pipeline.steps.draw import asked
from pipeline.steps.locate import Locator
from pipeline.steps.speak import Speaker
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.consents import ConsentStore
from pipeline.storage.parcels import Portrait
from pipeline.storage.voices import VoiceStore

PREVIEW = "Hello, this is how I sound. The quick brown fox jumps over the lazy dog."
"""Said by a preview that names no text; the second sentence holds every letter of English."""


class Library:
    """The operations on voice profiles, consents and avatars. Those that are no coroutines read and write files."""

    def __init__(
        self,
        models: Models,
        settings: Settings,
        speaker: Speaker,
        locator: Locator,
        voices: VoiceStore,
        avatars: AvatarStore,
        consents: ConsentStore,
    ) -> None:
        self._models = models
        self._settings = settings
        self._speaker = speaker
        self._locator = locator
        self._voices = voices
        self._avatars = avatars
        self._consents = consents

    async def create_voice(self, name: str, clip: bytes, consent: str | None = None) -> VoiceProfile:
        """Measures the clip and keeps the profile, with the id of the consent that allows it, where there is one. What
        voices that clone make of the clip is added when they first speak with it.

        Raises `InvalidAudio` with the reason, `Conflict` for the name, `NotFound` for the consent.
        """
        if consent is not None:
            await asyncio.to_thread(self.consent, consent)
        backend = self._models.choose("voice", None)
        with renamed(voice_clip="clip"):
            tint = await self._speaker.measure(backend, clip)
        longest = self._settings.limits.clip_seconds_max
        samples, rate = await asyncio.to_thread(decode_audio, clip, field="clip", max_seconds=longest)
        usable = self._models.enabled("voice")
        cloned = any(self._models.clones(voice) for voice in usable)
        return await asyncio.to_thread(
            self._voices.create,
            name,
            samples,
            rate,
            tint,
            usable,
            consent,
            fidelity="clone" if cloned else "tint",
        )

    async def voices(self) -> VoiceList:
        profiles = await asyncio.to_thread(self._voices.list)
        return VoiceList(profiles=tuple(profiles), builtin=await self._speaker.builtin())

    def voice(self, voice: str) -> VoiceProfile:
        return self._voices.get(voice)

    async def preview_voice(self, voice: str, text: str | None, language: str) -> AsyncIterator[Speech]:
        """The profile's voice, saying `text` or a sentence of ours."""
        spoken = await self._speaker.kept(self._models.choose("voice", None), voice)
        async for part in self._speaker.speak(spoken, text or PREVIEW, language):
            yield part

    def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return self._voices.rename(self._voices.get(voice).id, name)

    def delete_voice(self, voice: str) -> None:
        self._voices.delete(self._voices.get(voice).id)

    async def create_consent(self, name: str, language: str, recording: bytes) -> Consent:
        """Keeps the recording as evidence. Raises `InvalidAudio` where there is nothing to be heard in it."""
        longest = self._settings.limits.clip_seconds_max
        samples, rate = await asyncio.to_thread(decode_audio, recording, field="recording", max_seconds=longest)
        await asyncio.to_thread(check_speech, samples, rate, "recording")
        return await asyncio.to_thread(self._consents.create, name, language, samples, rate)

    def consents(self, limit: int, after: str | None) -> list[Consent]:
        """At most `limit`, newest first, older than the id `after`."""
        kept = reversed(self._consents.list())
        return [consent for consent in kept if after is None or consent.id < after][:limit]

    def consent(self, consent: str) -> Consent:
        return self._consents.get(consent)

    def rename_consent(self, consent: str, name: str) -> Consent:
        return self._consents.rename(consent, name)

    def delete_consent(self, consent: str) -> None:
        """Raises `Conflict` with code consent_in_use while a voice is kept that was made with it."""
        found = self._consents.get(consent)
        held = [profile.name for profile in self._voices.list() if profile.consent == found.id]
        if held:
            raise Conflict(
                f"Voices were made with this consent: {', '.join(held)}.",
                code="consent_in_use",
                field="consent",
                accepted="a consent without voices; delete those first",
            )
        self._consents.delete(found.id)

    async def create_avatar(self, wanted: NewAvatar) -> Avatar:
        """Keeps the face of a photo, or of a portrait drawn from a prompt. Raises what `Locator` and `asked` raise, and
        `InvalidRequest` where it is said how to draw what is there already."""
        fields = (*Drawing.model_fields, "backend")
        drawing = {name: value for name in fields if (value := getattr(wanted, name)) is not None}
        if wanted.portrait is not None and wanted.prompt is not None:
            raise InvalidRequest(
                "portrait and prompt are given at once.", code="two_sources", field="prompt", accepted="one of them"
            )
        if wanted.portrait is not None:
            if said := next(iter(drawing), None):
                raise InvalidRequest(
                    "With portrait, nothing is drawn.", field=said, accepted=f"{said} with prompt, or portrait alone"
                )
            return await self._keep(wanted.name, await self._locator.photo(wanted.portrait, None), "photo")
        side = max(DRAWN, wanted.size or self._settings.video.size)
        request = DrawRequest(prompt=wanted.prompt or "", size=side, seed=wanted.seed, **drawing)
        drawn = await asked(self._models, self._settings, request)
        return await self._keep(wanted.name, await self._locator.picture(drawn.picture, None), "prompt")

    async def _keep(self, name: str, portrait: Portrait, source: Literal["photo", "prompt"]) -> Avatar:
        return await asyncio.to_thread(self._avatars.create, name, portrait.picture, portrait.face, source)

    def avatars(self) -> list[Avatar]:
        return list(self._avatars.list())

    def avatar(self, avatar: str) -> Avatar:
        return self._avatars.get(avatar)

    def avatar_png(self, avatar: str) -> bytes:
        return encode_png(self._avatars.picture(self._avatars.get(avatar).id))

    def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return self._avatars.rename(self._avatars.get(avatar).id, name)

    def delete_avatar(self, avatar: str) -> None:
        self._avatars.delete(self._avatars.get(avatar).id)

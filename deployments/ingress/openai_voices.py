"""/v1/audio/voices and /v1/audio/voice_consents: voices to keep in OpenAI's shapes, each with someone's consent."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request

from deployments.ingress.answers import THEIR_ERRORS
from deployments.ingress.library import Rename
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import Consent, Contract, Language, Name
from pipeline.errors import renamed

RECORDING: Final = ("recording",)
SAMPLE: Final = ("audio_sample",)


class ConsentCreation(Contract):
    """A recording of a person who agrees to have their voice kept."""

    name: Name
    language: Language
    recording: bytes


class TheirConsent(Contract):
    id: str
    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    name: str
    language: str
    created_at: int

    @staticmethod
    def of(consent: Consent) -> TheirConsent:
        created = int(consent.created_at.timestamp())
        return TheirConsent(id=consent.id, name=consent.name, language=consent.language, created_at=created)


class ConsentPage(Contract):
    object: Literal["list"] = "list"
    data: list[TheirConsent]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ConsentDeleted(Contract):
    id: str
    object: Literal["audio.voice_consent"] = "audio.voice_consent"
    deleted: Literal[True] = True


class VoiceCreation(Contract):
    """A voice to keep; `consent` is the id of the recording that allows it."""

    name: Name
    consent: Name
    audio_sample: bytes
    type: Literal["audio_sample"] = "audio_sample"


class TheirVoice(Contract):
    id: str
    object: Literal["audio.voice"] = "audio.voice"
    name: str
    created_at: int
    type: Literal["audio_sample"] = "audio_sample"


class VoiceDeleted(Contract):
    id: str
    object: Literal["audio.voice.deleted"] = "audio.voice.deleted"
    deleted: Literal[True] = True


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/v1/audio", tags=["openai"], responses=THEIR_ERRORS)

    @routes.post("/voice_consents", openapi_extra=body_schema(ConsentCreation, RECORDING))
    async def create_consent(request: Request) -> TheirConsent:
        """Keep the recording of a consent."""
        wanted = await read(request, ConsentCreation, RECORDING)
        return TheirConsent.of(await operations.create_consent(wanted.name, wanted.language, wanted.recording))

    @routes.get("/voice_consents")
    async def consents(
        limit: Annotated[int, Query(ge=1, le=100)] = 20, after: Annotated[str | None, Query(max_length=100)] = None
    ) -> ConsentPage:
        """Newest first; `after` is the last id of the page before."""
        found = [TheirConsent.of(consent) for consent in await operations.consents(limit + 1, after)]
        page = found[:limit]
        ends = (page[0].id, page[-1].id) if page else (None, None)
        return ConsentPage(data=page, first_id=ends[0], last_id=ends[1], has_more=len(found) > limit)

    @routes.get("/voice_consents/{consent}")
    async def consent(consent: str) -> TheirConsent:
        return TheirConsent.of(await operations.consent(consent))

    @routes.post("/voice_consents/{consent}", openapi_extra=body_schema(Rename))
    async def rename_consent(consent: str, request: Request) -> TheirConsent:
        name = (await read(request, Rename)).name
        return TheirConsent.of(await operations.rename_consent(consent, name))

    @routes.delete("/voice_consents/{consent}")
    async def delete_consent(consent: str) -> ConsentDeleted:
        """Remove a consent. Not while there is a voice that was made with it."""
        await operations.delete_consent(consent)
        return ConsentDeleted(id=consent)

    @routes.post("/voices", openapi_extra=body_schema(VoiceCreation, SAMPLE))
    async def create_voice(request: Request) -> TheirVoice:
        """Keep a voice profile, measured from a sample of the person who gave the consent."""
        wanted = await read(request, VoiceCreation, SAMPLE)
        with renamed(clip="audio_sample", voice_clip="audio_sample"):
            made = await operations.create_voice(wanted.name, wanted.audio_sample, wanted.consent)
        return TheirVoice(id=made.id, name=made.name, created_at=int(made.created_at.timestamp()))

    @routes.delete("/voices/{voice}")
    async def delete_voice(voice: str) -> VoiceDeleted:
        await operations.delete_voice(voice)
        return VoiceDeleted(id=voice)

    return routes

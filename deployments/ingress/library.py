"""/api/v1/voices and /api/v1/avatars: voices and faces that are kept."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from deployments.ingress.answers import ERRORS, file, streamed
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Contract,
    Language,
    Name,
    NewAvatar,
    NewVoice,
    VoiceList,
    VoiceProfile,
)
from pipeline.media.audio import CONTENT_TYPES

CLIP: Final = ("clip",)
PORTRAIT: Final = ("portrait",)


class Rename(Contract):
    name: Name


class AvatarList(Contract):
    data: list[Avatar]


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1", responses=ERRORS)

    @routes.post("/voices", tags=["voices"], status_code=201, openapi_extra=body_schema(NewVoice, CLIP))
    async def create_voice(request: Request) -> VoiceProfile:
        """Keep a voice profile, measured from a reference clip."""
        wanted = await read(request, NewVoice, CLIP)
        return await operations.create_voice(wanted.name, wanted.clip)

    @routes.get("/voices", tags=["voices"])
    async def voices() -> VoiceList:
        """Voice profiles, and each backend's own voices."""
        return await operations.voices()

    @routes.get("/voices/{voice}", tags=["voices"])
    async def voice(voice: str) -> VoiceProfile:
        """One profile, by id or name."""
        return await operations.voice(voice)

    @routes.get(
        "/voices/{voice}/preview",
        tags=["voices"],
        response_class=StreamingResponse,
        responses=file(*CONTENT_TYPES.values()),
    )
    async def preview(
        voice: str,
        text: Annotated[str | None, Query(min_length=1, max_length=2000)] = None,
        language: Annotated[Language, Query()] = "en",
        format: Annotated[AudioFormat, Query()] = "wav",
    ) -> StreamingResponse:
        """Hear a profile say `text`, or a sentence of ours."""
        return await streamed(operations.preview_voice(voice, text, language, format), CONTENT_TYPES[format])

    @routes.patch("/voices/{voice}", tags=["voices"], openapi_extra=body_schema(Rename))
    async def rename_voice(voice: str, request: Request) -> VoiceProfile:
        return await operations.rename_voice(voice, (await read(request, Rename)).name)

    @routes.delete("/voices/{voice}", tags=["voices"], status_code=204)
    async def delete_voice(voice: str) -> None:
        await operations.delete_voice(voice)

    @routes.post("/avatars", tags=["avatars"], status_code=201, openapi_extra=body_schema(NewAvatar, PORTRAIT))
    async def create_avatar(request: Request) -> Avatar:
        """Keep a face, from a photo or drawn from a prompt."""
        return await operations.create_avatar(await read(request, NewAvatar, PORTRAIT))

    @routes.get("/avatars", tags=["avatars"])
    async def avatars() -> AvatarList:
        return AvatarList(data=await operations.avatars())

    @routes.get("/avatars/{avatar}", tags=["avatars"])
    async def avatar(avatar: str) -> Avatar:
        """One avatar, by id or name."""
        return await operations.avatar(avatar)

    @routes.get("/avatars/{avatar}/picture", tags=["avatars"], response_class=Response, responses=file("image/png"))
    async def picture(avatar: str) -> Response:
        """Its portrait, a PNG file."""
        return Response(await operations.avatar_png(avatar), media_type="image/png")

    @routes.patch("/avatars/{avatar}", tags=["avatars"], openapi_extra=body_schema(Rename))
    async def rename_avatar(avatar: str, request: Request) -> Avatar:
        return await operations.rename_avatar(avatar, (await read(request, Rename)).name)

    @routes.delete("/avatars/{avatar}", tags=["avatars"], status_code=204)
    async def delete_avatar(avatar: str) -> None:
        await operations.delete_avatar(avatar)

    return routes

"""Puts the routers together into one ASGI application."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import Depends, FastAPI

from deployments.ingress import (
    answers,
    clips,
    events,
    hls,
    jobs,
    library,
    live,
    openai_audio,
    openai_images,
    openai_models,
    openai_transcriptions,
    openai_videos,
    openai_voices,
    pages,
    parameters,
    placement,
    speech,
    system,
    transcriptions,
    usage,
    videos,
)
from deployments.ingress.bounds import Bounds
from deployments.ingress.origin import SameOrigin
from deployments.ingress.uploads import MEGABYTE, BodyLimit
from deployments.operations import Operations
from pipeline.settings import Settings


def make_api(operations: Operations, settings: Settings, bounds: Bounds | None = None) -> FastAPI:
    """Everything reachable by HTTP."""
    api = FastAPI(
        title="Mouthpiece",
        summary="Talking videos from a voice, a face and a text",
        version=version("mouthpiece"),
        docs_url=None,
        redoc_url=None,
        openapi_tags=[
            {"name": "videos", "description": "Talking videos, and clips without speech"},
            {"name": "jobs", "description": "Work that was accepted: its steps, its events, what it took"},
            {"name": "speech", "description": "A voice alone, and what a recording says"},
            {"name": "portraits", "description": "A face alone, and pictures enlarged"},
            {"name": "voices", "description": "Voice profiles that are kept"},
            {"name": "avatars", "description": "Faces that are kept"},
            {"name": "system", "description": "What runs"},
            {"name": "openai", "description": "The same in OpenAI's shapes, for clients that have them"},
        ],
    )
    api.add_middleware(BodyLimit, limit=settings.server.upload_megabytes * MEGABYTE)
    api.add_middleware(SameOrigin, host=settings.server.host)
    answers.install(api)
    bounds = bounds or Bounds()
    routers = (
        videos.router(operations, bounds),
        hls.router(operations),
        clips.router(operations, bounds),
        jobs.router(operations, bounds),
        # Serve cuts off what takes longer; a stream that ends by itself leaves its client an orderly end.
        events.router(operations, bounds, seconds=0.9 * settings.server.request_seconds),
        live.router(operations, settings, seconds=0.9 * settings.server.request_seconds),
        *(part.router(operations) for part in (usage, speech, transcriptions, library, system, placement)),
        *(
            part.router(operations)
            for part in (
                openai_audio,
                openai_transcriptions,
                openai_voices,
                openai_images,
                openai_videos,
                openai_models,
            )
        ),
    )
    for router in routers:
        api.include_router(router, dependencies=[Depends(parameters.known)])
    system.install_docs(api)
    pages.install(api)
    return api

"""/v1/audio: speech in OpenAI's shapes."""

from __future__ import annotations

from fastapi import APIRouter

from deployments.ingress.answers import ERRORS
from deployments.operations import Operations


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    return APIRouter(prefix="/v1/audio", tags=["openai"], responses=ERRORS)

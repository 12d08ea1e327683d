"""/api/v1/system/gpus and /api/v1/system/models: who is on which card, and what is asked of a model."""

from __future__ import annotations

from fastapi import APIRouter, Request

from deployments.ingress.answers import ERRORS
from deployments.ingress.uploads import body_schema, read
from deployments.operations import Operations
from pipeline.contracts.placement import ModelName, ModelWish, Placement


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1/system", tags=["system"], responses=ERRORS)

    @routes.get("/gpus")
    async def gpus() -> Placement:
        """Cards, the models on them, those that wait for one, and why."""
        return await operations.placement()

    @routes.post("/models/{model}", openapi_extra=body_schema(ModelWish, ()))
    async def ask(model: ModelName, request: Request) -> Placement:
        """Load, unload, pin or keep a model. Answers at once, with how things stand; what was asked follows."""
        return await operations.ask_model(model, await read(request, ModelWish, ()))

    return routes

"""/api/v1/status, health, and the API's own page, which works without the internet."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import swagger_ui_bundle
from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from deployments.ingress.answers import ERRORS
from deployments.operations import Operations
from pipeline.contracts import Capability, Contract, Status


class Health(Contract):
    status: Literal["ok"]


class Backends(Contract):
    enabled: dict[Capability, tuple[str, ...]]
    """Backend names by capability, the default first."""


def router(operations: Operations) -> APIRouter:
    """The routes, over `operations`."""
    routes = APIRouter(prefix="/api/v1", tags=["system"], responses=ERRORS)

    @routes.get("/status")
    async def status() -> Status:
        """What runs, on what, with which settings."""
        return await operations.status()

    @routes.get("/backends")
    async def backends() -> Backends:
        """Enabled backends of each capability, the default first."""
        return Backends(enabled=await operations.models())

    @routes.get("/system/health/live")
    async def live() -> Health:
        """This process answers."""
        return Health(status="ok")

    @routes.get("/system/health/ready")
    async def ready() -> Health:
        """The coordinator answers, so work is accepted."""
        await operations.models()
        return Health(status="ok")

    return routes


def install_docs(api: FastAPI) -> None:
    """Swagger UI at /docs from files of our own installation, not from a public server."""
    folder = sorted((Path(swagger_ui_bundle.__file__).parent / "vendor").glob("swagger-ui-*"))[-1]
    api.mount("/docs/files", StaticFiles(directory=folder), name="docs")

    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Mouthpiece API",
            swagger_js_url="/docs/files/swagger-ui-bundle.js",
            swagger_css_url="/docs/files/swagger-ui.css",
            swagger_favicon_url="/docs/files/favicon-32x32.png",
        )

    @api.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

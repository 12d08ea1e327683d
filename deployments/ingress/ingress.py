"""The front door: HTTP for everyone, and the typed methods of `serve.get_app_handle("mouthpiece")`."""

from __future__ import annotations

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.ingress.api import make_api
from deployments.ingress.bounds import Bounds
from deployments.metrics import metrics
from deployments.operations import Operations
from pipeline.settings import Settings


@serve.ingress()
class Ingress(Operations):
    """`Operations` by handle (`handle.create_video.remote(VideoRequest(...))`) and the same ones over HTTP."""

    def __init__(self, coordinator: DeploymentHandle, settings: Settings) -> None:
        super().__init__(coordinator)
        self._settings = settings

    def __serve_build_asgi_app__(self) -> FastAPI:
        return make_api(self, self._settings, Bounds(metrics=metrics("cluster")))

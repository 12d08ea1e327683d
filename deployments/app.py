"""Builds the application: the only place that binds deployments together.

`serve_config.yaml` names `deployments.app:build`; its `args` are the settings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from ray import serve
from ray.serve import Application

from deployments.backends import registry
from deployments.backends.descriptor import Backend
from deployments.coordinator import Coordinator
from deployments.model import Model
from deployments.placement import arrangement, gpus
from deployments.placement.footprints import Footprints
from deployments.runtime import Runtime
from pipeline import cascade
from pipeline.contracts import Capability
from pipeline.settings import Settings

NAME: Final = "mouthpiece"

ON_DEMAND: Final = {
    "min_replicas": 0,
    "max_replicas": 1,
    "upscale_delay_s": 0,
    "downscale_delay_s": 900,
    "look_back_period_s": 2.0,
    # A request for a model that has no replica is told at once; to tell more often costs an idle server a core's share.
    "metrics_interval_s": 1.0,
}
"""A model that is started by its first request and kept for a quarter of an hour after its last."""

STANDING: Final[frozenset[Capability]] = frozenset({"voice", "face", "lipsync"})
"""What the main job needs: the default backend of each stands ready, all others are started by the first request."""

PIP_SOURCES: Final = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_CONSTRAINT",
    "PIP_CERT",
    "PIP_TRUSTED_HOST",
)
"""Variables that say where pip finds packages."""

PIP_OPTIONS: Final = ("--disable-pip-version-check", "--no-cache-dir")
"""What Ray has pip do unless told otherwise (`ray._private.runtime_env.pip`)."""

INSTALL_SECONDS: Final = 1800
"""Longest that Ray may take to make the environment of an isolated backend: gigabytes of packages are downloaded."""

CPUS: Final = 0.1
"""Ray's bookkeeping of a deployment on a CPU: small, so that a laptop's two cores hold all of them; the
operating system shares out the cores."""

HEALTH_SECONDS: Final = 2.0
"""Between two looks at a replica: so long a dead one goes unnoticed. Serve's default is 10."""


def build(args: dict[str, Any]) -> Application:
    """The whole application: ingress over coordinator over one deployment per enabled backend.

    `args` are the settings as the YAML gives them, or already resolved. Raises `SettingsError` naming the key.
    """
    settings = resolve(args)
    registry.enabled(settings)
    from deployments.ingress.bounds import ONGOING
    from deployments.ingress.ingress import Ingress

    coordinator = assemble(settings, runtime="cluster", folder=settings.storage.folder.expanduser())
    deployment = serve.deployment(
        name="ingress",
        ray_actor_options={"num_cpus": CPUS},
        max_ongoing_requests=ONGOING,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_timeout_s=5,
        graceful_shutdown_wait_loop_s=0.1,
    )
    return deployment(Ingress).bind(coordinator, settings)


def resolve(args: dict[str, Any]) -> Settings:
    """The cascade, with what this machine has."""
    return cascade.resolve(args, os.environ, vram_gigabytes=gpus.vram_gigabytes())


def assemble(settings: Settings, *, runtime: Runtime, folder: Path) -> Application:
    """The application without its HTTP door: what runs in process, and what `build` puts the ingress before."""
    handles: dict[Capability, dict[str, Application]] = {}
    for capability in get_args(Capability):
        names = settings.backends(capability)
        handles[capability] = {name: _model(capability, name, settings, runtime == "cluster") for name in names}
    deployment = serve.deployment(
        name="coordinator",
        num_replicas=1,
        ray_actor_options={"num_cpus": CPUS},
        max_ongoing_requests=1000,
        health_check_period_s=HEALTH_SECONDS,
        # Streams of events end with it and never before. What it was doing, its successor goes on with.
        graceful_shutdown_timeout_s=1,
        graceful_shutdown_wait_loop_s=0.1,
    )
    return deployment(Coordinator).bind(settings, folder, handles, runtime)


def _model(capability: Capability, name: str, settings: Settings, at_once: bool) -> Application:
    backend = registry.find(capability, name)
    options = registry.configured(backend, settings)
    standing = settings.backends(capability)[0] == name and capability in STANDING
    footprints = Footprints(settings.storage.folder.expanduser())
    terms = arrangement.terms(backend, settings, footprints, default=standing) if at_once else None
    deployment = serve.deployment(
        name=backend.deployment,
        ray_actor_options={"num_cpus": CPUS},
        max_ongoing_requests=16,
        max_queued_requests=settings.jobs.queued,
        health_check_period_s=HEALTH_SECONDS,
        graceful_shutdown_wait_loop_s=0.1,
        num_replicas=1 if standing and terms is None else None,
        autoscaling_config=None if standing and terms is None else ON_DEMAND,
    )(Model)
    if terms is not None:
        deployment = deployment.options(**arrangement.options(terms, CPUS))
    if backend.packages and at_once:
        actor = {**(deployment.ray_actor_options or {}), "runtime_env": environment(backend, os.environ)}
        deployment = deployment.options(ray_actor_options=actor)
    return deployment.bind(
        capability, name, options, at_once=at_once, terms=terms, commercial_use=settings.commercial_use
    )


def environment(backend: Backend, variables: Mapping[str, str]) -> dict[str, Any]:
    """Ray's `runtime_env` for a backend whose packages conflict with ours: this environment with these laid over it.

    pip finds them as it does here: what is set of `PIP_SOURCES` is handed on to the node, except addresses with a
    password in them, which Ray would show to whoever looks at the deployment. Those belong into the nodes' pip.conf.
    Ray copies an environment without its bytecode, so Python may write it there even where it is told not to.
    """
    sources = {name: variables[name] for name in PIP_SOURCES if variables.get(name)}
    told = {name: text for name, text in sources.items() if not re.search(r"//[^/\s]*@", text)}
    pip: dict[str, Any] = {"packages": list(backend.packages)}
    if backend.complete:
        pip["pip_install_options"] = [*PIP_OPTIONS, "--no-deps"]
    told["PYTHONDONTWRITEBYTECODE"] = ""
    return {"pip": pip, "env_vars": told, "config": {"setup_timeout_seconds": INSTALL_SECONDS}}

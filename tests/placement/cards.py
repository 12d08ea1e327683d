"""A real Ray cluster with logical cards and an application of `weighted` models, for one test file or benchmark."""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from deployments.forking.forked_workers import ForkedWorkers
from tests.placement import weighted

ROOT = Path(__file__).parents[2]
APP = "cards"

ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.02",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


def build(args: dict[str, Any]) -> Any:
    """The models of the settings and nothing else, set up as `deployments.app` does."""
    from ray import serve

    from deployments import app
    from pipeline.settings import Settings

    settings = Settings.model_validate(args)
    models = {name: app._model("voice", name, settings, at_once=True) for name in settings.voice.backends}
    deployment = serve.deployment(name="door", ray_actor_options={"num_cpus": 0.1})
    return deployment(Door).bind(models)


class Door:
    """Keeps the application's models together; calls go to them directly."""

    def __init__(self, models: Mapping[str, Any]) -> None:
        self._models = models

    async def names(self) -> list[str]:
        return [*self._models]


def write_weights(folder: Path, name: str, fill: float = 0.9) -> Path:
    """A file of `fill` of what the model declares, in eight tensors."""
    size = int(weighted.SIZES[name] * weighted.SCALE * 2**30 * fill) // 8
    path = folder / f"{name}.safetensors"
    numbers = np.arange(size, dtype=np.uint8)
    save_file({f"layer.{i}": numbers for i in range(8)}, path)
    return path


def register(folder: Path, names: Sequence[str]) -> None:
    """Makes the models installed backends for every process that has `folder` on its path."""
    info = folder / "weighted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weighted\nVersion: 1.0\n")
    rows = [f"voice.{name} = tests.placement.weighted:{name}" for name in names]
    (info / "entry_points.txt").write_text("\n".join(["[mouthpiece.backends]", *rows, ""]))


@contextmanager
def cluster(folder: Path, cards: int, cpus: int = 4) -> Generator[None]:
    """Ray with so many logical cards on one node, and Serve's controller, without a proxy."""
    paths = [str(folder), str(ROOT)]
    kept = {name: os.environ.get(name) for name in [*ENVIRONMENT, "PYTHONPATH"]}
    os.environ.update(ENVIRONMENT, PYTHONPATH=os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")]))
    import ray
    from ray import serve
    from ray._private import auto_init_hook

    # Serve's handles outlive the cluster, in a thread that calls Ray ten times a second, and Ray would connect to the
    # next cluster that it finds from there, or wait for one that has ended and hang whoever asks for a handle.
    auto_init_hook.enable_auto_connect = False
    sys.path[:0] = paths
    forked = ForkedWorkers.start()
    try:
        _start(cards, cpus, forked)
        serve.start(proxy_location="Disabled")
        yield
    finally:
        if ray.is_initialized():
            serve.shutdown()
            ray.shutdown()
        _let_go()
        if forked is not None:
            forked.stop()
        del sys.path[: len(paths)]
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _start(cards: int, cpus: int, forked: ForkedWorkers | None) -> None:
    """Ray gives a node half a minute to come up; a machine busy with something else may need a second try."""
    import ray

    from deployments import private_ray

    for last in (False, False, True):
        try:
            with private_ray.lean(forked):
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    num_gpus=cards,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    object_store_memory=100 << 20,
                )
            return
        except Exception:
            # Ray raises a bare Exception when its start took too long.
            ray.shutdown()
            if last:
                raise
        _let_go()  # only here: until now the exception held on to what had started


def _let_go() -> None:
    """Ray kills its processes and never waits for them, which Python complains of when it collects them: now, where
    it is known what it is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def deploy(folder: Path, names: Sequence[str], **settings: Any) -> None:
    """The application of these models; `settings` are sections of the product's settings."""
    from deployments.placement import private_serve

    args = {
        "storage": {"folder": str(folder / "data")},
        "voice": {"backends": [*names]},
        "gpu": {"budget_gigabytes": weighted.CARD, "margin_megabytes": 0},
        "resolved": True,
        **settings,
    }
    private_serve.deploy("tests.placement.cards:build", args, name=APP, route_prefix=None)


def handle(name: str) -> Any:
    from ray import serve

    return serve.get_deployment_handle(f"voice-{name}", APP)


def ask(name: str, milliseconds: int = 0) -> Any:
    """A request that keeps the model busy for so long; returns the response to wait for."""
    return handle(name).call.remote("tint", np.zeros(1, np.float32), milliseconds)


def view() -> dict[str, Any]:
    """How things stand, as the policy last wrote it on the board."""
    from deployments.placement.board import Board

    return Board(APP).shown() or {}


def until(true: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """What `true` returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")

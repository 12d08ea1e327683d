"""With `forking/`, the one place that leans on Ray's insides; `placement/private_serve.py` is that for Ray Serve's.

Everything works without it, only slower and larger, and cards may be numbered otherwise.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from deployments.forking.forked_workers import ForkedWorkers

log = logging.getLogger(__name__)

UNUSED: Final[dict[str, Any]] = {"no_monitor": True, "include_log_monitor": False}
"""Two processes that every `ray.init` starts and this product does not use: the cloud autoscaler's monitor, and the
one that carries workers' logs to the driver, which is told not to print them. `ray start` has flags for both,
`ray.init` has not. Together 90 MB and 3 CPU seconds of a start."""

PYTHON = "_build_python_executable_command_memory_profileable"
"""How Ray's node starts the two agents that the raylet waits for."""


def _worker() -> Any:
    from ray._private import worker

    return worker.global_worker


def card(worker: Callable[[], Any] = _worker) -> int | None:
    """The number on its node of the card that this worker was given, as Ray counts its resources. None where it was
    given none, and where this version of Ray does not say."""
    try:
        held = worker().core_worker.resource_ids().get("GPU")
        return int(held[0][0]) if held else None
    except (ImportError, AttributeError, LookupError, TypeError, ValueError) as error:
        log.warning("this version of Ray does not say which card a worker has: %s", error)
        return None


def actor(worker: Callable[[], Any] = _worker) -> Any:
    """The object that this process serves as an actor. Raises `ImportError`, `AttributeError` or `KeyError` where it is
    none, and where this version of Ray keeps it otherwise."""
    process = worker()
    return process.actors[process.core_worker.get_actor_id()]


def _nothing() -> None:
    """Where there is nothing left to start."""


class Start:
    """What a local start has put off. `dashboard()` starts Ray's dashboard, in the thread that it shall live with."""

    def __init__(self) -> None:
        self.dashboard: Callable[[], None] = _nothing


@contextmanager
def lean(forked: ForkedWorkers | None = None) -> Generator[Start]:
    """Within it, `ray.init` starts a local cluster without the processes above, whose workers are `forked`, and leaves
    the dashboard to `Start.dashboard`: Ray waits for it before anything else, though nothing that serves needs it.
    Where this version of Ray is not built so, it changes nothing, and says so in the log."""
    from ray._private import services
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    start = Start()
    original = RayParams.__init__
    server, raylet = getattr(Node, "start_api_server", None), getattr(Node, "start_raylet", None)
    python = vars(services)[PYTHON]
    chosen = dict(UNUSED) if forked is None else UNUSED | {"worker_path": forked.path, "env_vars": forked.environment}
    if server is None or raylet is None or not set(chosen) <= set(inspect.signature(original).parameters):
        log.warning("this version of Ray starts as it does by itself, which takes longer")
        yield start
        return

    def lean_parameters(self: RayParams, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **(chosen | named))

    def announced(self: Node, *arguments: Any, **named: Any) -> None:
        raylet(self, *arguments, **named)
        if forked is not None:
            forked.of_raylet(self.all_processes["raylet"][0].process.pid)

    def later(self: Node, **named: Any) -> None:
        self._webui_url = ""
        start.dashboard = lambda: server(self, **named)

    def agent(*arguments: Any, **named: Any) -> list[str]:
        return [*python(*arguments, **named), *([] if forked is None else [forked.path])]

    vars(services)[PYTHON] = agent
    RayParams.__init__ = lean_parameters
    Node.start_api_server = later
    Node.start_raylet = announced
    try:
        yield start
    finally:
        vars(services)[PYTHON] = python
        RayParams.__init__ = original
        Node.start_api_server = server
        Node.start_raylet = raylet

"""The one place that leans on Ray's insides. Everything works without it, only slower and larger."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

UNUSED = {"no_monitor": True, "include_log_monitor": False}
"""Two processes that every `ray.init` starts and this product does not use: the cloud autoscaler's monitor, and the
one that carries workers' logs to the driver, which is told not to print them. `ray start` has flags for both,
`ray.init` has not. Together 90 MB and 3 CPU seconds of a start."""


def _nothing() -> None:
    """Where there is nothing left to start."""


class Start:
    """What a local start has put off. `dashboard()` starts Ray's dashboard, in the thread that it shall live with."""

    def __init__(self) -> None:
        self.dashboard: Callable[[], None] = _nothing


@contextmanager
def lean() -> Generator[Start]:
    """Within it, `ray.init` starts a local cluster without the processes above, and leaves the dashboard to
    `Start.dashboard`: Ray waits for it before anything else, though nothing that serves needs it. Where this version
    of Ray is not built so, it changes nothing."""
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    start = Start()
    original, server = RayParams.__init__, getattr(Node, "start_api_server", None)
    if server is None or not set(UNUSED) <= set(inspect.signature(original).parameters):
        yield start
        return

    def without(self: RayParams, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **(UNUSED | named))

    def later(self: Node, **named: Any) -> None:
        self._webui_url = ""
        start.dashboard = lambda: server(self, **named)

    RayParams.__init__ = without
    Node.start_api_server = later
    try:
        yield start
    finally:
        RayParams.__init__ = original
        Node.start_api_server = server

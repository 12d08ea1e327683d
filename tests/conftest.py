"""What many tests need: one running server for the session, a photo, small media made on the spot."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest

pytest_plugins = ("tests.postgres", "tests.swift")


SIGNING_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""`webhooks.secret` of the servers below."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NotStarted(Exception):
    """The server ended or did not answer; carries the end of its log."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests out among processes by folder, for what they have in common, and all that share the server to
    one of them. (The plugin's own groups do nothing under pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduler(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = config.rootpath / nodeid.partition("::")[0]
            return SERVER if _says(file, SERVER) else str(file.parent)

    return Scheduler(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that processes which share the tests out end at the same time."""
    items.sort(key=lambda item: (not _says(item.path, SERVER), not _says(item.path, CLUSTER)))
    for item in items:
        if "running" in getattr(item, "fixturenames", ()) and not _says(item.path, SERVER):
            raise pytest.UsageError(f"{item.path} uses the server that is shared, so it has to say {SERVER}")


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """The shared server would take a third of a core for as long as it idles."""
    over = nextitem is None or not _says(nextitem.path, SERVER)
    if _says(item.path, SERVER) and over and RUNNING in item.config.stash:
        item.config.stash[RUNNING].stop()


SERVER: Final = "pytest.mark.server"
CLUSTER: Final = "pytest.mark.cluster"
RUNNING: Final = pytest.StashKey["Server"]()


@cache
def _says(file: Path, mark: str) -> bool:
    """Whether a file of tests has the mark: whoever shares tests out has not imported them."""
    return mark in file.read_text()


class Server:
    """`mouthpiece serve` as a process of its own, on free ports, with a data folder of its own."""

    def __init__(
        self, folder: Path, *settings: str, port: int | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.dashboard_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dashboard = f"http://127.0.0.1:{self.dashboard_port}"
        self._log = (folder / "server.log").open("wb")
        chosen = (
            f"server.port={self.port}",
            f"ray.dashboard_port={self.dashboard_port}",
            f"storage.folder={folder / 'data'}",
            *settings,
        )
        flags = [flag for setting in chosen for flag in ("--set", setting)]
        config = Path(__file__).parents[1] / "serve_config.yaml"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "clients.cli.main", "serve", "--config", str(config), "--json", *flags],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MOUTHPIECE_WEBHOOKS__SECRET": SIGNING_SECRET, **(environment or {})},
        )

    def wait(self, seconds: float = 180) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/api/v1/system/health/ready", timeout=5).status_code == 200 and self.urls():
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        self.stop()
        raise NotStarted((self.folder / "server.log").read_text()[-4000:])

    def wait_for_dashboard(self, seconds: float = 60) -> None:
        """Ray's dashboard follows a few seconds after the application."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                httpx.get(self.dashboard, timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.2)
        raise NotStarted("the dashboard")

    def urls(self) -> dict[str, str]:
        """What the server said when it was ready: http, docs, dashboard, ray, token; empty before."""
        lines = (self.folder / "server.log").read_text().splitlines()
        return next((json.loads(line)["urls"] for line in lines if line.startswith('{"urls"')), {})

    def stop(self) -> int:
        """The exit code; killed after a minute."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._log.close()


@contextmanager
def serving(
    folders: pytest.TempPathFactory, *settings: str, environment: Mapping[str, str] | None = None
) -> Generator[Server]:
    """A server that is ready, stopped afterwards. Ray gives a node half a minute to come up; a machine busy with
    something else may need a second try."""
    server = Server(folders.mktemp("server"), *settings, environment=environment)
    try:
        server.wait()
    except NotStarted:
        server = Server(folders.mktemp("server"), *settings, environment=environment)
        server.wait()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def torch_threads(count: int) -> Generator[None]:
    """So many threads for torch: those that wait for each other are slow beside other work."""
    torch = pytest.importorskip("torch", reason="make models")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Server]:
    """The application on a real local Ray cluster, one for all tests that want it."""
    with serving(tmp_path_factory) as server:
        pytestconfig.stash[RUNNING] = server
        yield server


@pytest.fixture(scope="session")
def server(running: Server) -> str:
    """Base URL of the running application."""
    return running.url


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A real photographed portrait, public domain, with an open smile: the hard case. PNG."""
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """The same as (512, 512, 3) uint8 RGB."""
    from skimage import data

    return np.ascontiguousarray(data.astronaut())

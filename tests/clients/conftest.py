"""One application in this process for all tests of the clients, over HTTP and directly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp

from clients.cli.local import Local
from clients.cli.main import run
from clients.python.client import Client
from clients.python.studio import Studio
from deployments.ingress.api import make_api
from deployments.local import LocalApplication
from deployments.operations import Operations
from pipeline import cascade
from pipeline.contracts import SpeakRequest
from pipeline.settings import Settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("data")
    return cascade.resolve({"profile": "cpu"}, {}, {"storage.folder": str(folder)})


@contextmanager
def over_http(operations: Operations, settings: Settings) -> Generator[str]:
    """The real HTTP API over `operations`, served by a thread of this process: its base URL."""
    with served(make_api(operations, settings)) as url:
        yield url


@contextmanager
def served(application: ASGIApp) -> Generator[str]:
    config = uvicorn.Config(application, port=0, log_level="critical", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="session")
def url(settings: Settings) -> Iterator[str]:
    """The real HTTP API over the real application."""
    application = LocalApplication(settings)
    with over_http(application.operations, settings) as url:
        yield url
    application.close()


@pytest.fixture(scope="session")
def local(settings: Settings) -> Iterator[Local]:
    with Local(settings) as studio:
        yield studio


@pytest.fixture(params=["http", "process"])
def studio(request: pytest.FixtureRequest) -> Iterator[Studio]:
    """Every implementation of the interface."""
    if request.param == "process":
        yield request.getfixturevalue("local")
        return
    with Client(request.getfixturevalue("url")) as client:
        yield client


@pytest.fixture(scope="session")
def clip(local: Local) -> bytes:
    """Six seconds of speech as a WAV file: a reference clip."""
    text = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell."
    return b"".join(local.speak(SpeakRequest(text=text, speed=0.8)))


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error that `--json` leaves on stderr, which must hold nothing else."""
        return json.loads(self.err)["error"]


@pytest.fixture
def mouthpiece(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """The command line, run in this process."""
    for name in ("MOUTHPIECE_SERVER", "MOUTHPIECE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return command

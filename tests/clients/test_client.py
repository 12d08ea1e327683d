"""The HTTP client where there is no Mouthpiece to talk to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clients.python.client import Client
from pipeline.errors import InvalidRequest, MouthpieceError, Unavailable


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server that is something else: JSON that nobody expects, and a page for what it does not know."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 404 if self.path.endswith("avatars") else 502 if self.path.endswith("backends") else 200
            body = b"<html>" if status != 200 else b'{"hello": "world"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with Client(f"http://127.0.0.1:{unused.getsockname()[1]}") as client, pytest.raises(Unavailable) as error:
            client.status()
    assert error.value.code == "no_server"
    assert "mouthpiece serve" in (error.value.accepted or "")


def test_somebody_else_there(elsewhere: str) -> None:
    with Client(elsewhere, patience=0) as client:
        for ask in (client.status, client.videos, client.voices):
            with pytest.raises(Unavailable) as error:
                ask()
            assert error.value.code == "not_mouthpiece"
        with pytest.raises(MouthpieceError) as missing:
            client.avatars()
        assert missing.value.code == "bad_answer"
        with pytest.raises(Unavailable):
            client.backends()


def test_a_server_that_says_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout=0.2) as client, pytest.raises(Unavailable) as error:
            client.status()
    assert error.value.code == "timeout"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://host:port", "/path"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        Client(url)
    assert error.value.field == "server"


def test_a_proxy_does_not_lead_home(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Client(url) as client:
        assert client.status().version

"""A receiver of webhooks: a real HTTP server in a thread, that checks signatures as the specification says to."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conftest import SIGNING_SECRET as SECRET


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def message(self) -> Any:
        """The body, after the signature was verified: HMAC-SHA256 of id, time and body with a dot between them, by the
        decoded secret, in base64 behind the version."""
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        expected = hmac.digest(base64.b64decode(SECRET.split("_", 1)[1]), signed, hashlib.sha256)
        version, _, given = self.headers["webhook-signature"].partition(",")
        assert version == "v1"
        assert hmac.compare_digest(base64.b64decode(given), expected)
        return json.loads(self.body)


class Receiver:
    """Answers one status after the other, the last one from then on; 0 is no answer at all, 302 a redirect."""

    def __init__(self, *statuses: int, tls: ssl.SSLContext | None = None, location: str = "/elsewhere") -> None:
        self.calls: list[Call] = []
        self._statuses = list(statuses) or [200]
        self._heard = threading.Condition()
        self._over = threading.Event()
        receiver = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver._heard_of(Call(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if status == 0:
                    receiver._over.wait(30)
                    return
                self.send_response(status)
                if status == 302:
                    self.send_header("location", location)
                self.end_headers()
                self.wfile.write(b"thanks")
                with contextlib.suppress(OSError):
                    while self.path == "/endless" and not receiver._over.is_set():
                        self.wfile.write(bytes(65536))

            do_GET = do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None: ...

        self._server = Server(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, host: str = "127.0.0.1", path: str = "/hook?a=1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def wait(self, count: int, seconds: float = 60) -> list[Call]:
        """Returns when so many calls have come."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.calls) >= count, seconds), self.calls
            return list(self.calls)

    def _heard_of(self, call: Call) -> int:
        with self._heard:
            self.calls.append(call)
            self._heard.notify_all()
            return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

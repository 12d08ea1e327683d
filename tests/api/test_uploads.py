"""Uploads over the limit, 64 megabytes here, are refused while they arrive, and the next good request works."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("then_a_good_request_works")]

MEGABYTE = 1 << 20


class Upload:
    """A request whose body is sent piece by piece, with an eye on the answer."""

    def __init__(self, server: str, path: str, *headers: str) -> None:
        address = urlsplit(server)
        assert address.hostname
        assert address.port
        self._socket = socket.create_connection((address.hostname, address.port), timeout=30)
        self._socket.sendall(
            "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {address.netloc}", *headers, "", ""]).encode()
        )

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, piece: bytes) -> bool:
        """Whether the other side still listens."""
        try:
            self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answered(self, seconds: float) -> bool:
        self._socket.settimeout(seconds)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(30)

    def answer(self) -> tuple[int, bytes]:
        got = b""
        while b"\r\n\r\n" not in got or b"}}" not in got:
            piece = self._socket.recv(65536)
            if not piece:
                break
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        return int(head.split()[1]), body


@pytest.mark.parametrize("path", ["/api/v1/videos", "/v1/audio/voices"])
def test_an_announced_upload_is_refused_before_it_comes(server: str, path: str) -> None:
    kind = "Content-Type: multipart/form-data; boundary=x"
    with Upload(server, path, kind, f"Content-Length: {10 << 30}") as upload:
        upload.send(b'--x\r\nContent-Disposition: form-data; name="portrait"; filename="a"\r\n\r\n')
        status, body = upload.answer()
    assert status == 413
    assert b'"too_large"' in body
    assert b"at most 64 megabytes" in body


def test_json_is_bounded_below_what_files_may_take(server: str) -> None:
    answer = httpx.post(f"{server}/api/v1/videos", json={"text": "a", "portrait": [[]] * (6 * MEGABYTE)})
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("too_large", "body")
    assert "16 megabytes" in error["accepted"]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
def test_an_endless_upload_is_refused_while_it_comes(server: str, kind: str) -> None:
    start = (
        b'{"text": "'
        if kind == "application/json"
        else (b'--x\r\nContent-Disposition: form-data; name="portrait"; filename="a"\r\n\r\n')
    )
    sent = 0
    with Upload(server, "/api/v1/videos", f"Content-Type: {kind}", "Transfer-Encoding: chunked") as upload:
        upload.send(b"%x\r\n%s\r\n" % (len(start), start))
        piece = b"%x\r\n%s\r\n" % (MEGABYTE, b"a" * MEGABYTE)
        while sent < 200 and not upload.answered(0.2 if sent > 60 else 0.001):
            if not upload.send(piece):
                break
            sent += 1
        status, body = upload.answer()
    assert status == 413
    assert b'"too_large"' in body
    assert 64 <= sent < 200

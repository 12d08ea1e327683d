"""A server that answers the hub's own client as the hub does: resolve addresses, tags, commits, redirects, ranges.

Small files are answered directly with git's name of their bytes as tag; large ones (`LARGE`) by a redirect to a second
server, as the hub sends people to its store, with their SHA-256 as tag.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGE = 10_000
"""Bytes from which a file lies in the store."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


class Hub:
    """What it holds, how it misbehaves, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}
        """(repository, path) -> bytes."""
        self.commits: dict[tuple[str, str], str] = {}
        """(repository, revision) -> commit."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers, in order."""
        self.cut: list[int] = []
        """For the next answers from the store: bytes after which the connection is cut."""
        self.status: dict[str, tuple[int, str]] = {}
        """Repository -> status and error code instead of an answer."""
        self.ranges = True
        """Whether parts of files can be had."""
        self.served = 0
        """Bytes of bodies sent by the store."""
        self.url = self.store = ""

    def add(self, repository: str, files: dict[str, bytes], commit: str, *revisions: str) -> None:
        self.files |= {(repository, path): data for path, data in files.items()}
        self.commits |= {(repository, revision): commit for revision in (commit, *revisions)}

    def asked(self, method: str, part: str) -> list[dict[str, str]]:
        """Headers of the requests so far whose path has `part` in it."""
        return [headers for verb, path, headers in self.requests if verb == method and part in path]


@contextmanager
def serving() -> Generator[Hub]:
    """A hub at `url` with its store at `store`, until the end of the block."""
    hub = Hub()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            if self.path.startswith("/store/"):
                self._store(self.path.rpartition("/")[2])
                return
            found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
            if found is None:
                self._end(404, {})
                return
            repository, revision, path = found.groups()
            if repository in hub.status:
                status, code = hub.status[repository]
                self._end(status, {"X-Error-Code": code, "X-Error-Message": code})
                return
            commit = hub.commits.get((repository, revision))
            data = hub.files.get((repository, path))
            if commit is None:
                code = "RevisionNotFound" if any(known == repository for known, _ in hub.commits) else "RepoNotFound"
                self._end(404, {"X-Error-Code": code})
            elif data is None:
                self._end(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            elif len(data) >= LARGE:
                self._end(
                    302,
                    {
                        "X-Repo-Commit": commit,
                        "X-Linked-Etag": f'"{sha256(data)}"',
                        "X-Linked-Size": str(len(data)),
                        "Location": f"{hub.store}/store/{sha256(data)}",
                    },
                )
            else:
                self._body(data, {"X-Repo-Commit": commit, "ETag": f'"{git_sha1(data)}"'})

        def _store(self, name: str) -> None:
            data = next((data for data in hub.files.values() if name in (sha256(data), name_of(data))), None)
            if data is None:
                self._end(404, {})
                return
            self._body(data, {}, hub.cut.pop(0) if hub.cut and self.command == "GET" else None)

        def _body(self, data: bytes, headers: dict[str, str], cut: int | None = None) -> None:
            begin = 0
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if asked and hub.ranges:
                begin = int(asked[1])
                if begin >= len(data):
                    self._end(416, {})
                    return
                headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            self.send_response(206 if begin else 200)
            for name, text in {**headers, "Content-Length": str(len(data) - begin)}.items():
                self.send_header(name, text)
            self.end_headers()
            if self.command == "HEAD":
                return
            body = data[begin:] if cut is None else data[begin : begin + cut]
            if self.path.startswith("/store/"):
                hub.served += len(body)
            self.wfile.write(body)
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(2)

        def _end(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, text in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, text)
            self.end_headers()

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Answer) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    hub.url, hub.store = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


def name_of(data: bytes) -> str:
    """What a file is called in the store by those who need no hub: the first digits of its hash."""
    return f"{sha256(data)[:12]}.pth"

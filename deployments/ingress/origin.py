"""Keeps other web pages out: a browser on this machine reaches loopback for whatever page it shows."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.ingress.answers import failure
from pipeline.errors import Forbidden

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOrigin:
    """ASGI middleware. Refuses, with 403, a `Host` that is not ours (a foreign name that was made to point here, to
    read our answers), and a changing request that another page's script or form sent (`Origin` is not `Host`). A
    WebSocket counts as one: what browsers keep from pages of other sites, they do not keep of those.

    A server told to listen everywhere (`host` 0.0.0.0 or ::) has names that it can't know, and takes any.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._hosts = None if host in EVERYWHERE else LOOPBACK | {host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await failure(HTTPConnection(scope), refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Forbidden | None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and _name(host) not in self._hosts:
            return Forbidden(
                "This server is not known by that name.",
                code="foreign_host",
                field="host",
                accepted=", ".join(sorted(self._hosts)),
            )
        origin = headers.get(b"origin")
        if origin is not None and scope.get("method") not in SAFE:
            try:
                theirs = urlsplit(origin.decode("latin-1").lower()).netloc
            except ValueError:
                theirs = ""
            if theirs != host:
                return Forbidden(
                    "Another site's page sent this.",
                    code="foreign_origin",
                    field="origin",
                    accepted="this server's own",
                )
        return None


def _name(host: str) -> str:
    """`127.0.0.1:8000` and `[::1]:8000` without port and brackets; empty for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""

"""/live: the page of live sessions, from files of our own installation, which may load nothing from anywhere else."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.responses import Response

PAGES: Final = {
    "/live": ("live.html", "text/html; charset=utf-8"),
    "/live/live.js": ("live.js", "text/javascript; charset=utf-8"),
    "/live/live.css": ("live.css", "text/css; charset=utf-8"),
}

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src blob: data:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: our own files, what was chosen in the page, and our own WebSocket."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def install(api: FastAPI) -> None:
    """The page, and what it is made of."""
    folder = files("clients.web")
    for path, (name, kind) in PAGES.items():
        _install(api, path, (folder / name).read_bytes(), kind)


def _install(api: FastAPI, path: str, content: bytes, kind: str) -> None:
    @api.get(path, include_in_schema=False)
    async def page() -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

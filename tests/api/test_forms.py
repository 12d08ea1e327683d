"""Forms: texts that come as files, which `curl -F text=@script.txt` sends, are texts; other files are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import Request

from deployments.ingress.uploads import TEXT_BYTES, read
from pipeline.contracts import VideoRequest
from pipeline.errors import MouthpieceError

FILES = ("portrait",)


def form(**parts: Any) -> VideoRequest:
    """What the parser makes of a multipart body with these files and, among them, texts."""
    sent = httpx.Request("POST", "http://server/", files=parts)
    body = sent.read()
    headers = [(name.lower().encode(), value.encode()) for name, value in sent.headers.items()]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return asyncio.run(read(Request({"type": "http", "headers": headers}, receive), VideoRequest, FILES))


def test_a_text_may_come_as_a_file() -> None:
    said = form(text=("script.txt", "\ufeffGrüße.\n".encode()), portrait=("me.png", b"\x89PNG"), seed=("seed", b"7"))
    assert (said.text, said.portrait, said.seed) == ("Grüße.\n", b"\x89PNG", 7)


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ({"text": ("latin.txt", "Grüße".encode("latin-1"))}, "invalid_characters", "text"),
        ({"text": ("long.txt", b"a" * (TEXT_BYTES + 1))}, "too_large", "text"),
        ({"text": ("many.txt", b"a" * TEXT_BYTES)}, "text_too_long", "text"),
        ({"photo": ("me.png", b"\x89PNG")}, "unknown_file", "photo"),
        ({"portrait": (None, b"me.png")}, "not_a_file", "portrait"),
        ({"text": ("empty.txt", b"")}, "text_empty", "text"),
    ],
)
def test_what_is_no_text_is_refused(parts: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(MouthpieceError) as refused:
        form(**parts)
    assert (refused.value.code, refused.value.field) == (code, field)

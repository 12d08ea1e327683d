"""Answers that every router gives: errors in one shape, streams that fail before their first byte, ranges."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from pipeline.contracts import Contract, ErrorBody
from pipeline.errors import InvalidRequest, MouthpieceError

log = logging.getLogger("mouthpiece.ingress")


Documented = dict[int | str, dict[str, Any]]
"""Answers of a route by status, for its `responses`."""


class Described(Contract):
    """A contract of HTTP alone: the strings under its fields are their descriptions in the document."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ErrorAnswer(Contract):
    error: ErrorBody


class TheirErrorBody(ErrorBody):
    type: Literal["invalid_request_error", "server_error"]
    param: str | None


class TheirErrorAnswer(Contract):
    """What OpenAI's clients read, and ours."""

    error: TheirErrorBody


def _errors(model: type[Contract]) -> Documented:
    descriptions = (
        (403, "Another site's page sent it, or it was sent to a name that is not ours."),
        (404, "There is no such thing."),
        (409, "It contradicts what is there."),
        (413, "The upload is too large."),
        (422, "The request has to change; `code`, `field` and `accepted` say how."),
        (429, "Too much is waiting; come back after `Retry-After` seconds."),
        (500, "A model failed."),
        (503, "A part that should answer does not (yet)."),
    )
    return {status: {"model": model, "description": description} for status, description in descriptions}


ERRORS: Final = _errors(ErrorAnswer)
"""Documented for every route of ours."""
THEIR_ERRORS: Final = _errors(TheirErrorAnswer)
"""The same on OpenAI's routes."""


def file(*media: str, status: int = 200, description: str = "The file.") -> Documented:
    """Documents an answer that is no JSON."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {status: {"description": description, "content": dict.fromkeys(media, schema)}}


def install(api: FastAPI) -> None:
    """Turns every failure into `{"error": {...}}`."""

    @api.exception_handler(MouthpieceError)
    async def ours(request: HTTPConnection, error: MouthpieceError) -> Failure:
        return failure(request, error)

    @api.exception_handler(RequestValidationError)
    @api.exception_handler(WebSocketRequestValidationError)
    async def query(
        request: HTTPConnection, error: RequestValidationError | WebSocketRequestValidationError
    ) -> Failure:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:])
        accepted = first.get("ctx", {}).get("expected")
        return failure(request, InvalidRequest(f"{field}: {first['msg']}", field=field, accepted=accepted))

    @api.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        codes = {404: "not_found", 405: "method_not_allowed", 416: "range_not_satisfiable"}
        code = codes.get(error.status_code, "bad_request")
        body = {"error": {"code": code, "message": str(error.detail), "retryable": False}}
        return JSONResponse(_theirs(request, body, error.status_code), error.status_code, headers=error.headers)

    @api.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
        return failure(request, MouthpieceError("Something went wrong here; the server's log says what."))


class Failure(JSONResponse):
    """An error in our shape. It also refuses a WebSocket that is not accepted yet, which some servers can only do
    without a body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await WebSocketClose()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def failure(request: HTTPConnection, error: MouthpieceError) -> Failure:
    """The answer for one of our errors."""
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, round(error.retry_after)))}
    return Failure(_theirs(request, error.body(), error.status), error.status, headers=headers)


def _theirs(request: HTTPConnection, body: dict[str, Any], status: int) -> dict[str, Any]:
    """`body`, with the `type` and `param` that OpenAI's clients read, on OpenAI's routes."""
    if request.url.path.startswith("/v1/"):
        body["error"]["type"] = "invalid_request_error" if status < 500 else "server_error"
        body["error"]["param"] = body["error"].get("field")
    return body


async def streamed(
    pieces: AsyncIterator[bytes], media_type: str, headers: dict[str, str] | None = None
) -> StreamingResponse:
    """A chunked answer. Waits for the first piece, so that a refused request gets its status and its error."""
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        first = b""

    async def all_of_it() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(all_of_it(), media_type=media_type, headers=headers)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of a `Range: bytes=...` header; None for no header or one to be ignored.

    Raises HTTPException 416 for a range outside the file (RFC 9110, section 14).
    """
    unit, _, wanted = (header or "").partition("=")
    if unit.lower() != "bytes":
        return None
    found = re.fullmatch(r"([0-9]{0,19})-([0-9]{0,19})", wanted.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    elif last and int(last) < int(first):
        return None
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= end:
        raise HTTPException(416, "The range is outside the file.", headers={"Content-Range": f"bytes */{size}"})
    return start, end

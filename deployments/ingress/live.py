"""/api/v1/live: a WebSocket at which a face is there, and says what it is told to while it is being written."""

from __future__ import annotations

import asyncio
import binascii
import json
from base64 import b64decode
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from deployments.ingress.answers import ERRORS
from deployments.ingress.uploads import MEGABYTE, check
from deployments.operations import Operations
from pipeline.contracts import Contract
from pipeline.contracts.live import MESSAGE_CHARACTERS, LiveMessage, LiveRequest
from pipeline.errors import InvalidRequest, MouthpieceError, TooLarge, UserError
from pipeline.ids import new_id
from pipeline.settings import Settings

C = TypeVar("C", bound=Contract)

FILES: Final = ("portrait", "voice_clip")
OPENING_SECONDS: Final = 30.0
"""In which the first message has to come."""
MESSAGE_JSON: Final = 12 * MESSAGE_CHARACTERS + 1024
"""Characters of a message that says something: the longest text, all of it escaped (\\ud83d\\ude00), and room."""
WAITING: Final = 4096
WAITING_CHARACTERS: Final = 1_000_000
"""Messages of a client, and what they say, that may wait to be passed on. More is refused: not to read it would hold
nobody up, since Serve's proxy reads whatever comes, and keeps it."""

NORMAL: Final = 1000
POLICY_VIOLATION: Final = 1008
TRY_AGAIN_LATER: Final = 1013
"""Codes of RFC 6455, section 7.4.1, and IANA's registry, with which a WebSocket is closed."""


def router(operations: Operations, settings: Settings, seconds: float) -> APIRouter:
    """The route, over `operations`. A session lasts for at most so many seconds."""
    routes = APIRouter(tags=["videos"], responses=ERRORS)
    upload = settings.server.upload_megabytes * MEGABYTE

    @routes.websocket("/api/v1/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        try:
            await _Session(socket, operations, upload).hold(seconds)
        except WebSocketDisconnect:
            return
        except MouthpieceError as error:
            await _refuse(socket, error)

    return routes


class _Session:
    """One WebSocket: passes on what the session makes, and what the client says, at the same time."""

    def __init__(self, socket: WebSocket, operations: Operations, upload: int) -> None:
        self._socket = socket
        self._operations = operations
        self._upload = upload
        self._name = new_id("live")
        self._waiting: list[LiveMessage] = []
        self._characters = 0
        self._heard = asyncio.Event()

    async def hold(self, seconds: float) -> None:
        """Until the session is over, so many seconds from now at the latest, or the client leaves
        (`WebSocketDisconnect`). Raises what is wrong with what the client says, and what ended the session."""
        clock = asyncio.get_running_loop().time
        latest = clock() + seconds
        try:
            async with asyncio.timeout(OPENING_SECONDS):
                asked = await self._opening()
        except TimeoutError:
            raise InvalidRequest(
                f"Nothing was asked for in {OPENING_SECONDS:g} s.", field="body", accepted="a face and a voice, in JSON"
            ) from None
        try:
            await _first(self._hear(), self._serve(asked, latest - clock()))
            await self._socket.close(NORMAL)
        finally:
            self._operations.end_live(self._name)

    async def _serve(self, asked: LiveRequest, seconds: float) -> None:
        await self._operations.begin_live(self._name, asked, seconds)
        await _first(self._pass_on(), self._show())

    async def _show(self) -> None:
        """A piece is asked for when the ones before are on their way to the client."""
        while items := await self._operations.take_from_live(self._name):
            for item in items:
                if isinstance(item, bytes):
                    await self._socket.send_bytes(item)
                else:
                    await self._socket.send_text(item)

    async def _hear(self) -> None:
        """For as long as the client is there, and says what makes sense, and no more than can wait."""
        while True:
            message = check(LiveMessage, await self._message(MESSAGE_JSON), strict=True)
            self._waiting.append(message)
            self._characters += len(message.text)
            self._heard.set()
            if len(self._waiting) > WAITING or self._characters > WAITING_CHARACTERS:
                raise TooLarge(
                    "More is said than can be passed on.",
                    code="too_many_messages",
                    field="body",
                    accepted=f"at most {WAITING} messages with {WAITING_CHARACTERS} characters at a time",
                )

    async def _pass_on(self) -> None:
        """What is said while something is passed on is passed on together, so that an interruption does not wait behind
        a text in many pieces."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            together, self._waiting, self._characters = tuple(self._waiting), [], 0
            await self._operations.say_in_live(self._name, together)

    async def _opening(self) -> LiveRequest:
        fields = await self._message(2 * self._upload)
        files: dict[str, bytes] = {}
        for name in FILES:
            if (text := fields.pop(name, None)) is not None:
                files[name] = _decoded(name, text)
        if sum(map(len, files.values())) > self._upload:
            raise TooLarge(
                "The upload is too large.", field="body", accepted=f"at most {self._upload // MEGABYTE} megabytes"
            )
        return check(LiveRequest, {**fields, **files}, strict=True)

    async def _message(self, most: int) -> dict[str, Any]:
        """The next message of the client. Raises `WebSocketDisconnect` when it has left."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL), message.get("reason"))
        text = message.get("text")
        if text is None:
            raise InvalidRequest("A message is JSON, in text.", field="body", accepted="an object")
        if len(text) > most:
            raise TooLarge("The message is too long.", field="body", accepted=f"at most {most} characters")
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(f"The message is not JSON: {error}", code="invalid_json", field="body") from None
        if not isinstance(fields, dict):
            raise InvalidRequest(
                "The message is not a JSON object.", code="invalid_json", field="body", accepted="an object"
            )
        return fields


async def _first(*parts: Coroutine[Any, Any, None]) -> None:
    """Until one of them is over. Raises what it raises; the others are cancelled."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _decoded(name: str, text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise TypeError
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidRequest(
            f"{name} is not in base64.", code="invalid_base64", field=name, accepted="the file in base64 (RFC 4648)"
        ) from None


async def _refuse(socket: WebSocket, error: MouthpieceError) -> None:
    """Says what was wrong, and closes."""
    try:
        await socket.send_text(json.dumps({"type": "error", **error.body()}))
        await socket.close(POLICY_VIOLATION if isinstance(error, UserError) else TRY_AGAIN_LATER, error.code)
    except (WebSocketDisconnect, RuntimeError):
        return  # it has left

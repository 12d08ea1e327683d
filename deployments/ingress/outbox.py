"""Serve's outbox: what lies in a replica of an answer that its reader has not taken yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sized
from itertools import chain, repeat
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

GROWING: Final = frozenset({"http.response.body", "websocket.send"})
LOOK_SECONDS: Final = (0.0, 0.0, 0.001, 0.002, 0.005, 0.01)
"""Between one look into the box and the next; then always the last. Mostly the proxy is there at once."""

log = logging.getLogger("mouthpiece.ingress")


class Backpressure:
    """ASGI middleware. Whoever sends the next piece of an answer waits until Serve has passed on the one before.

    Serve takes all that it is given, at once, and keeps it until the proxy has room: a film that is made faster than it
    is watched would end up in this replica's memory. Servers of one's own make their applications wait by themselves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._said = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        box = outbox(send)
        if box is None:
            if scope["type"] in ("http", "websocket") and not self._said:
                self._said = True
                log.warning("Serve's outbox was not found: what slow readers have not taken is held in memory.")
            await self._app(scope, receive, send)
            return

        async def patient(message: Message) -> None:
            await send(message)
            if message["type"] in GROWING and message.get("more_body", True):
                waits = chain(LOOK_SECONDS, repeat(LOOK_SECONDS[-1]))
                while box:
                    await asyncio.sleep(next(waits))

        await self._app(scope, receive, patient)


def outbox(send: Any, depth: int = 8) -> Sized | None:
    """Where Serve (2.60) keeps the messages sent by `send`, which leads there by what the functions that wrap each
    other have hold of; None for another server's."""
    from ray.serve._private.http_util import MessageQueue

    for cell in getattr(send, "__closure__", None) or ():
        try:
            held = cell.cell_contents
        except ValueError:  # not bound yet
            continue
        if isinstance(held, MessageQueue):
            return held._message_queue
        if depth and callable(held) and (found := outbox(held, depth - 1)) is not None:
            return found
    return None

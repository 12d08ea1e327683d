"""Serve's outbox: what lies in a replica of an answer that its reader has not taken yet."""

from __future__ import annotations

import asyncio
import logging
from itertools import chain, repeat
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.placement.private_serve import outbox

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

"""/api/v1/events: what happens to jobs, as it happens, as server-sent events and over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.websockets import WebSocketDisconnect

from deployments.ingress.answers import ERRORS, Described, file, streamed
from deployments.ingress.bounds import Bounds
from deployments.ingress.event_feed import EventFeed, Listener
from deployments.ingress.uploads import check
from deployments.operations import Operations
from pipeline.errors import InvalidRequest, MouthpieceError, UserError

HEARTBEAT_SECONDS: Final = 15.0
"""Longest silence of a stream: less than what proxies, and our own client, take for a lost connection."""
STREAM_BYTES: Final = 1 << 20
"""After so many bytes of events a stream ends, and its client takes up again. Serve takes whatever a replica sends,
however slowly the client reads: this is the most that a client which does not read can make its proxy hold."""
RECONNECT_MILLISECONDS: Final = 1000
ASK_CHARACTERS: Final = 4096
"""Longest message of a client over the WebSocket."""

GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
TRY_AGAIN_LATER: Final = 1013
"""Codes of RFC 6455, section 7.4.1, and IANA's registry, with which a WebSocket is closed."""

EventId = Annotated[int, Field(ge=0, le=2**63 - 1)]
JobId = Annotated[str, Field(max_length=100)]


class Subscription(Described):
    """What a listener is told."""

    job: JobId | None = None
    """Id of the one job that it is about; of all jobs where none is named."""
    after: EventId | None = None
    """Id of the last event that is known: later ones that are kept are told first. Without it, only what happens from
    now on."""


class Ask(Described):
    """What a client may send over the WebSocket."""

    subscribe: Subscription
    """Takes the place of the subscription before."""


def router(operations: Operations, bounds: Bounds, seconds: float) -> APIRouter:
    """The routes, over `operations`. A stream ends after `seconds`."""
    routes = APIRouter(prefix="/api/v1/events", tags=["jobs"], responses=ERRORS)
    feed = EventFeed(operations)

    @routes.get("", response_class=StreamingResponse, responses=file("text/event-stream", description="Events."))
    async def follow(
        job: Annotated[JobId | None, Query(description="Of this job alone.")] = None,
        after: Annotated[EventId | None, Query(description="Begin with the kept events above this id.")] = None,
        wait: Annotated[
            float | None, Query(ge=0, le=600, description="Seconds to stay; 0 gives what is kept and ends.")
        ] = None,
        last_event_id: Annotated[
            EventId | None,
            Header(alias="Last-Event-ID", description="As `after`; a browser sends it when it reconnects."),
        ] = None,
    ) -> StreamingResponse:
        """Events of jobs as server-sent events, as they happen: `task.queued`, `task.started`, `task.progress`,
        `task.completed`, `task.failed`, `task.cancelled`, `task.deleted`. Each `data` is an `Event` in JSON, each
        `id` is where to take up again; none is missed or told twice over a reconnect with `Last-Event-ID`. A stream
        ends after a while, or a megabyte of events, and is taken up again; a comment comes at least every 15 seconds.

        The same over a WebSocket at this address: an `Event` a message, `{"type": "subscribed", "job", "after"}`
        when the subscription holds, `{"type": "heartbeat", "id"}` in silence, `{"type": "error", "error"}` before it
        is closed for one. `{"subscribe": {"job", "after"}}`, sent by the client, subscribes to something else.
        """
        stay = seconds if wait is None else min(wait, seconds)
        begin = after if last_event_id is None else last_event_id
        pieces = _server_sent(feed, bounds, Subscription(job=job, after=begin), stay)
        return await streamed(pieces, "text/event-stream", {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    @routes.websocket("")
    async def talk(
        socket: WebSocket,
        job: Annotated[JobId | None, Query()] = None,
        after: Annotated[EventId | None, Query()] = None,
    ) -> None:
        with bounds.listeners.one():
            await _Talk(socket, feed, seconds).hold(Subscription(job=job, after=after))

    return routes


async def _server_sent(feed: EventFeed, bounds: Bounds, wanted: Subscription, seconds: float) -> AsyncIterator[bytes]:
    with bounds.listeners.one():
        async with feed.listen(wanted.job, wanted.after) as listener:
            # Where it begins, for a listener that is cut off before anything happens.
            yield f"id: {listener.last}\nretry: {RECONNECT_MILLISECONDS}\n\n".encode()
            end, sent = time.monotonic() + seconds, 0
            while sent < STREAM_BYTES and (listener.behind or time.monotonic() < end):
                batch = await listener.next(min(HEARTBEAT_SECONDS, max(0.0, end - time.monotonic())))
                lines = (f"id: {notice.id}\nevent: {notice.type}\ndata: {notice.json}\n\n" for notice in batch)
                piece = "".join(lines).encode() or b":\n\n"
                sent += len(piece)
                yield piece


class _Talk:
    """One WebSocket: tells what happens, and listens to what the client asks for, at the same time."""

    def __init__(self, socket: WebSocket, feed: EventFeed, seconds: float) -> None:
        self._socket = socket
        self._feed = feed
        self._end = time.monotonic() + seconds
        self._sent = 0

    async def hold(self, wanted: Subscription) -> None:
        """Until the client leaves, asks for something that can't be, or the time is over.

        Raises what `EventFeed.listen` does before there is a connection, so that it is answered as any request is.
        """
        accepted = False
        try:
            while True:
                async with self._feed.listen(wanted.job, wanted.after) as listener:
                    if not accepted:
                        await self._socket.accept()
                        accepted = True
                    await self._say({"type": "subscribed", "job": listener.job_id, "after": listener.last})
                    asked = await self._tell_until_asked(listener)
                if asked is None:
                    reason = f"take up again after {listener.last}"
                    await self._socket.close(GOING_AWAY, reason)
                    return
                wanted = asked
        except WebSocketDisconnect:
            return
        except MouthpieceError as error:
            if not accepted:
                raise
            await self._say({"type": "error", **error.body()})
            await self._socket.close(POLICY_VIOLATION if isinstance(error, UserError) else TRY_AGAIN_LATER, error.code)

    async def _tell_until_asked(self, listener: Listener) -> Subscription | None:
        """What the client wants next; None where this connection has to end."""
        telling = asyncio.create_task(self._tell(listener))
        asking = asyncio.create_task(self._asked())
        try:
            await asyncio.wait({telling, asking}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            telling.result()
            return None
        finally:
            telling.cancel()
            asking.cancel()
            await asyncio.gather(telling, asking, return_exceptions=True)

    async def _tell(self, listener: Listener) -> None:
        while self._sent < STREAM_BYTES and (left := self._end - time.monotonic()) > 0:
            batch = await listener.next(min(HEARTBEAT_SECONDS, left))
            for notice in batch:
                self._sent += len(notice.json)
                await self._socket.send_text(notice.json)
            if not batch:
                await self._say({"type": "heartbeat", "id": listener.last})

    async def _asked(self) -> Subscription:
        """The next message of the client. Raises `InvalidRequest`, and `WebSocketDisconnect` when it has left."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", GOING_AWAY), message.get("reason"))
        text = message.get("text") or ""
        accepted = '{"subscribe": {"job": ..., "after": ...}}'
        if not text or len(text) > ASK_CHARACTERS:
            raise InvalidRequest(
                f"A message is text of at most {ASK_CHARACTERS} characters.", field="body", accepted=accepted
            )
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"The message is not JSON: {error}", code="invalid_json", field="body", accepted=accepted
            ) from None
        if not isinstance(fields, dict):
            raise InvalidRequest("The message is not a JSON object.", field="body", accepted=accepted)
        return check(Ask, fields, strict=True).subscribe

    async def _say(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        self._sent += len(text)
        await self._socket.send_text(text)

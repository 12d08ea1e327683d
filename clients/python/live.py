"""A live session with a server: say something while it is being written, and take the video in which it is said."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from clients.python.failures import rebuilt
from pipeline.contracts.live import MESSAGE_CHARACTERS, LiveNews, LiveRequest
from pipeline.errors import MouthpieceError, Unavailable

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

FILES: Final = ("portrait", "voice_clip")
OPEN_SECONDS: Final = 10.0
NORMAL: Final = 1000
"""Code with which a WebSocket is closed when all is well (RFC 6455, section 7.4.1)."""


@contextmanager
def session(url: str, request: LiveRequest, *, here: bool) -> Generator[Live]:
    """A session at the server at `url`, which is on this machine or not; leaving the block ends it. Raises
    `Unavailable` where no server answers."""
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    address = url.replace("http", "ws", 1) + "/api/v1/live"
    with ExitStack() as stack:
        try:
            # A proxy of the environment does not lead back to this machine.
            socket = stack.enter_context(
                connect(
                    address, open_timeout=OPEN_SECONDS, max_size=None, compression=None, proxy=None if here else True
                )
            )
        except (OSError, WebSocketException) as error:
            raise Unavailable(
                f"No server opens a live session at {url}: {error}",
                code="no_server",
                field="server",
                accepted="the address of a running server; `mouthpiece serve` starts one",
            ) from None
        stack.callback(_leave, socket)
        yield Live(socket, request)


def _leave(socket: ClientConnection) -> None:
    """Says farewell, and takes what is on its way: behind messages that nobody takes, the answer would not be read."""
    from websockets.exceptions import ConcurrencyError, ConnectionClosed

    closing = threading.Thread(target=socket.close)
    closing.start()
    try:
        # Where another thread iterates, it does so.
        with suppress(ConnectionClosed, ConcurrencyError):
            while True:
                socket.recv()
    finally:
        closing.join()


class Live:
    """One session. Iterating gives what comes, in order: `LiveNews`, and pieces of a fragmented MP4 as bytes.

    Whoever iterates has to go on doing so: a server that nobody takes anything from ends the session. Another thread
    may say something meanwhile. Raises the error that ended the session, and `Unavailable` where the connection broke.
    """

    def __init__(self, socket: ClientConnection, request: LiveRequest) -> None:
        self._socket = socket
        fields = request.model_dump(mode="json", exclude=set(FILES), exclude_unset=True, exclude_none=True)
        files = {name: b64encode(data).decode() for name in FILES if (data := getattr(request, name)) is not None}
        self._say({**fields, **files})

    def say(self, text: str) -> None:
        """More of what is to be said; each sentence is spoken as soon as it is whole."""
        for start in range(0, len(text), MESSAGE_CHARACTERS):
            self._say({"type": "text", "text": text[start : start + MESSAGE_CHARACTERS]})

    def end(self) -> None:
        """That was all of it: an unfinished sentence is spoken as well."""
        self._say({"type": "end"})

    def interrupt(self) -> None:
        """Nothing of what was said is spoken any more."""
        self._say({"type": "interrupt"})

    def finish(self) -> None:
        """Asks for the end of the session; the last of the video comes yet."""
        self._say({"type": "close"})

    def __iter__(self) -> Iterator[LiveNews | bytes]:
        from websockets.exceptions import ConnectionClosed

        failed: MouthpieceError | None = None  # the last one; after most, the session goes on
        while True:
            try:
                message = self._socket.recv()
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == NORMAL:
                    return
                if closed.rcvd is not None and failed is not None and closed.rcvd.reason == failed.code:
                    raise failed from None
                raise Unavailable(
                    f"The connection to the live session broke: {closed}.", code="connection_lost"
                ) from None
            if isinstance(message, bytes):
                yield message
                continue
            try:
                news = LiveNews.model_validate_json(message)
            except ValidationError as error:
                raise Unavailable(f"That is no live session: {error}", code="not_mouthpiece", field="server") from None
            if news.error is not None:
                failed = rebuilt(news.error.model_dump())
            yield news

    def _say(self, message: dict[str, Any]) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            self._socket.send(json.dumps(message))
        except ConnectionClosed:
            return  # whoever iterates is told why

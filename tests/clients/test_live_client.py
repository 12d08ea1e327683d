"""The client of live sessions with a server that breaks off, or says more than is taken."""

from __future__ import annotations

import json
import socket as sockets
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from websockets.sync.server import ServerConnection, serve

from clients.python.live import session
from pipeline.contracts.live import LiveRequest
from pipeline.errors import MouthpieceError, UnknownName

ERROR = json.dumps({"type": "error", "error": {"code": "unknown_name", "message": "Not that.", "kind": "unknown_name"}})


@contextmanager
def answering(answer: Callable[[ServerConnection], None]) -> Generator[str]:
    """A server that does this when it has been asked for a session: its address."""

    def handler(connection: ServerConnection) -> None:
        connection.recv()
        answer(connection)

    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_who_leaves_with_messages_untaken_leaves_in_order() -> None:
    def much(connection: ServerConnection) -> None:
        for _ in range(200):
            connection.send(bytes(100_000))
        connection.recv()

    with answering(much) as url:
        with session(url, LiveRequest(prompt="her"), here=True) as live:
            assert next(iter(live)) == bytes(100_000)
        # Where the other side's farewell was not read, this says that the connection broke.
        list(live)


@pytest.mark.parametrize(
    ("end", "kind", "code"),
    [
        (lambda connection: connection.socket.shutdown(sockets.SHUT_RDWR), MouthpieceError, "connection_lost"),
        (lambda connection: connection.close(1011, "internal_error"), MouthpieceError, "connection_lost"),
        (lambda connection: connection.close(1008, "unknown_name"), UnknownName, "unknown_name"),
    ],
)
def test_an_error_ends_a_session_only_where_the_server_says_so(
    end: Callable[[ServerConnection], None], kind: type[MouthpieceError], code: str
) -> None:
    def answer(connection: ServerConnection) -> None:
        connection.send(ERROR)
        end(connection)

    with answering(answer) as url, session(url, LiveRequest(prompt="her"), here=True) as live:
        with pytest.raises(kind) as caught:
            list(live)
        assert caught.value.code == code

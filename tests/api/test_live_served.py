"""Live sessions through Ray Serve: its proxy between, its ways of cancelling, its processes."""

from __future__ import annotations

import io
import json
import socket
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import av
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.server

RATE = 48_000
OPENING = {"prompt": "a man", "size": 128, "fps": 10, "seed": 5}


def opened(server: str) -> AbstractContextManager[ClientConnection]:
    return connect(f"{server.replace('http', 'ws')}/api/v1/live", proxy=None, open_timeout=60)


def said(connection: ClientConnection, data: list[bytes], type: str) -> dict[str, Any]:
    """The next news of a type; pieces of the video before it are kept."""
    while True:
        message = connection.recv(120)
        if isinstance(message, bytes):
            data.append(message)
        elif (news := json.loads(message))["type"] == type:
            return news


def send(connection: ClientConnection, **message: Any) -> None:
    connection.send(json.dumps(message))


def test_speaks_and_is_interrupted(server: str) -> None:
    data: list[bytes] = []
    with opened(server) as connection:
        send(connection, **OPENING)
        assert said(connection, data, "ready")["content_type"].startswith("video/mp4")
        send(connection, type="text", text="One, two, three, four, five, six, seven, eight, nine, ten, and so on. Mor")
        began = said(connection, data, "speaking")
        for _ in range(4):
            data.append(piece(connection))
        send(connection, type="interrupt")
        cut = said(connection, data, "interrupted")
        assert began["at"] < cut["at"] < began["until"]
        assert began["text"].startswith(cut["text"])
        data.append(piece(connection))
        data.append(piece(connection))
        send(connection, type="close")
        assert said(connection, data, "closed")["reason"] == "asked"
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(60)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1000
    with av.open(io.BytesIO(b"".join(data)), "r") as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    at, end = round(began["at"] * RATE), round(cut["at"] * RATE)
    assert np.abs(sound[: at - 1500]).max() < 0.005
    assert np.abs(sound[at:end]).max() > 0.05
    assert np.abs(sound[end + RATE // 10 :]).max() < 0.005


def piece(connection: ClientConnection) -> bytes:
    while not isinstance(message := connection.recv(60), bytes):
        pass
    return message


def test_clients_who_vanish_make_room_for_others(server: str) -> None:
    with ExitStack() as stack:
        here = [stack.enter_context(opened(server)) for _ in range(4)]
        for connection in here:
            send(connection, **OPENING)
        for connection in here:
            said(connection, [], "ready")
        with opened(server) as one_more:
            send(one_more, **OPENING)
            assert said(one_more, [], "error")["error"]["code"] == "too_many_sessions"
            with pytest.raises(ConnectionClosed) as caught:
                one_more.recv(60)
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1013, "too_many_sessions")
        for connection in here:
            connection.socket.shutdown(socket.SHUT_RDWR)  # without a word
    code = "too_many_sessions"
    while code == "too_many_sessions":
        with opened(server) as connection:
            send(connection, **OPENING)
            news = json.loads(connection.recv(60))
            code = news["error"]["code"] if news["type"] == "error" else ""
    assert news["type"] == "ready"

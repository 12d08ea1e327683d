"""What lies between Serve's proxy and our replicas: the port, and what readers have not taken yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from ray.serve._private.http_util import MessageQueue
from ray.serve.generated import serve_pb2
from ray.serve.generated.serve_pb2_grpc import ASGIServiceStub

from deployments.ingress.outbox import Backpressure
from deployments.placement.private_serve import outbox
from tests.conftest import Server

pytestmark = pytest.mark.server

Send = Callable[[Any], Awaitable[None]]
messages: Any = serve_pb2


def ports(running: Server) -> list[int]:
    """Those on which replicas listen."""
    processes = psutil.Process(running.process.pid).children(recursive=True)
    replicas = [process for process in processes if "ServeReplica" in process.name() + " ".join(process.cmdline())]
    return [each.laddr.port for process in replicas for each in process.net_connections() if each.status == "LISTEN"]


def test_nobody_calls_a_replica_without_the_token(running: Server) -> None:
    there = ports(running)
    assert there
    refused = 0
    for port in there:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call: Any = ASGIServiceStub(channel).HandleRequest
            with pytest.raises(grpc.RpcError) as caught:
                call(messages.ASGIRequest(pickled_request_metadata=b"not even a pickle"), timeout=60)
            error: Any = caught.value
            code = error.code()
            # Ray's own ports, beside Serve's, know no such call, or want its token before they say so.
            assert code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED), (port, error)
            refused += code == grpc.StatusCode.UNAUTHENTICATED
    assert refused


def test_a_replica_knows_what_its_readers_have_not_taken(server: str, logs: Path) -> None:
    assert httpx.get(f"{server}/api/v1/status", timeout=30).status_code == 200
    written = [path.read_text() for path in (logs / "serve").glob("replica_*ingress*")]
    assert any("/api/v1/status" in text for text in written)
    assert not [text for text in written if "outbox was not found" in text]


def wrapped(queue: MessageQueue) -> Send:
    """As Serve hands it to an application, through one of Starlette's middlewares."""

    async def enqueue(message: Any) -> None:
        queue.put_nowait(message)

    async def middleware(message: Any) -> None:
        await enqueue(message)

    return middleware


def test_the_next_piece_waits_until_the_one_before_was_taken() -> None:
    sent: list[int] = []

    async def film(scope: Any, receive: Any, send: Send) -> None:
        for number in range(3):
            await send({"type": "http.response.body", "body": b"x", "more_body": number < 2})
            sent.append(number)

    async def run() -> None:
        queue = MessageQueue()
        making = asyncio.create_task(Backpressure(film)({"type": "http"}, None, wrapped(queue)))  # ty: ignore
        for piece in range(2):
            await queue.wait_for_message()
            await asyncio.sleep(0.1)
            assert sent == list(range(piece))
            assert len(queue.get_messages_nowait()) == 1
        await making  # nobody waits for the last piece to be taken
        assert sent == [0, 1, 2]

    asyncio.run(run())


def test_other_servers_have_none() -> None:
    async def send(message: Any) -> None: ...

    assert outbox(send) is None

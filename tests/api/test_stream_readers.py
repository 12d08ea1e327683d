"""Readers of a video that is watched while it is made, over real connections: slow, gone, and let down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

import httpx
import pytest

from clients.python.client import Client
from pipeline.contracts import VideoRequest
from pipeline.errors import Conflict, Unavailable
from tests.api.conftest import error
from tests.api.memory import FILE, MemoryOperations, Served

Work = Callable[[MemoryOperations, str], Awaitable[None]]
BUFFERS = 64 << 20
"""Bytes that two sockets and what is between them hold, generously."""


def between(work: Work) -> None:
    async def run() -> None:
        operations = MemoryOperations()
        async with Served(operations) as url:
            await work(operations, url)

    asyncio.run(run())


async def still(there: MemoryOperations) -> int:
    """Pieces that were taken, when no more are."""
    while True:
        before = there.streamed
        await asyncio.sleep(0.2)
        if there.streamed == before:
            return before
        assert before * len(FILE) < BUFFERS, "a reader who takes nothing is sent everything"


def test_a_client_has_it_as_it_comes() -> None:
    async def work(there: MemoryOperations, url: str) -> None:
        with Client(url) as client:
            pieces = await asyncio.to_thread(lambda: list(client.stream(VideoRequest(text="Hello.", seed=3))))
        assert b"".join(pieces) == FILE * 3
        assert there.requests[0].text == "Hello."

    between(work)


def test_a_slow_reader_is_waited_for() -> None:
    async def work(there: MemoryOperations, url: str) -> None:
        async with (
            httpx.AsyncClient(base_url=url) as client,
            client.stream("POST", "/api/v1/videos/stream", json={"text": "Hello."}) as answer,
        ):
            taken = answer.aiter_raw()
            await anext(taken)
            stood = await still(there)
            while there.streamed == stood:  # it goes on as he does
                await anext(taken)

    between(work)


def test_a_reader_who_goes_away_ends_it() -> None:
    async def work(there: MemoryOperations, url: str) -> None:
        def one_piece() -> bytes:
            with Client(url) as client, closing(client.stream(VideoRequest(text="Hello."))) as pieces:
                return next(pieces)

        assert FILE.startswith((await asyncio.to_thread(one_piece))[:100])
        await asyncio.wait_for(there.stream_ended.wait(), 60)

    between(work)


def test_what_fails_before_the_first_byte_is_an_error_and_later_a_broken_file() -> None:
    async def work(there: MemoryOperations, url: str) -> None:
        async with httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/api/v1/videos/stream", json={"text": "refused"})
            assert (answer.status_code, error(answer)["code"]) == (409, "not_now")
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post("/api/v1/videos/stream", json={"text": "breaks off"})

        def taken(text: str) -> None:
            with Client(url, patience=0.1) as client:
                list(client.stream(VideoRequest(text=text)))

        with pytest.raises(Conflict):
            await asyncio.to_thread(taken, "refused")
        with pytest.raises(Unavailable):
            await asyncio.to_thread(taken, "breaks off")

    between(work)

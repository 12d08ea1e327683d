"""Events through Ray Serve: its proxy between, its ways of cancelling."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from pipeline.contracts import Event, Job
from tests.api.conftest import refused
from tests.api.test_events import as_httpx

pytestmark = pytest.mark.server

SMALL: dict[str, Any] = {"text": "Hello there.", "prompt": "a man", "size": 128, "fps": 10}
PATH = "/api/v1/events"


def talk(server: str, query: str = "") -> ClientConnection:
    return connect(f"{server.replace('http', 'ws')}{PATH}{query}", proxy=None, open_timeout=60)


def until(connection: ClientConnection, type: str, task_id: str) -> list[Event]:
    """The events of a job up to the first of a type."""
    found: list[Event] = []
    while not found or found[-1].type != type:
        message = json.loads(connection.recv(120))
        if message.get("task_id") == task_id:
            found.append(Event.model_validate(message))
    return found


def test_a_job_from_its_beginning_to_its_end(api: httpx.Client, server: str) -> None:
    with talk(server) as everything:
        assert json.loads(everything.recv())["type"] == "subscribed"
        made = api.post("/api/v1/videos", json=SMALL | {"seed": 71}).json()["id"]
        told = until(everything, "task.completed", made)
    assert [event.type for event in told[:2]] == ["task.queued", "task.started"]
    percents = [event.data["percent"] for event in told if event.type == "task.progress"]
    assert percents == sorted(percents)
    assert percents
    job = Job(**api.get(f"/api/v1/jobs/{made}").json())
    assert job.state == "completed"
    assert told[-1].data["result"]["sha256"] == job.steps[-1].artifact
    with talk(server, f"?job={made}&after={told[1].id - 1}") as later:
        assert json.loads(later.recv())["job"] == made
        assert until(later, "task.completed", made) == told[1:]
    kept = api.get(PATH, params={"job": made, "after": 0, "wait": 0}).text
    assert [json.loads(line[6:])["id"] for line in kept.split("\n") if line.startswith("data: ")] == [
        event.id for event in told
    ]


def test_the_first_listener_leaves(api: httpx.Client, server: str) -> None:
    """The stream from the coordinator was opened for it, and serves the others."""
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port)) as leaves:
        leaves.sendall(f"GET {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        while b"retry" not in leaves.recv(4096):
            pass
        with talk(server) as stays:
            stays.recv()
            leaves.close()
            for seed in (72, 73):
                made = api.post("/api/v1/videos", json=SMALL | {"seed": seed}).json()["id"]
                until(stays, "task.queued", made)
                assert api.delete(f"/api/v1/jobs/{made}").status_code == 204
                until(stays, "task.deleted", made)


@pytest.mark.parametrize(
    ("query", "code", "field", "status"),
    [("?job=vid_none", "not_found", "id", 404), ("?after=x", "invalid_request", "after", 422)],
)
def test_refused_through_the_proxy(server: str, query: str, code: str, field: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as answer:
        talk(server, query)
    refused(as_httpx(answer.value), code, field, status)


def test_other_sites_pages_are_kept_out(server: str) -> None:
    with pytest.raises(InvalidStatus) as answer:
        connect(f"{server.replace('http', 'ws')}{PATH}", proxy=None, additional_headers={"Origin": "http://a.test"})
    refused(as_httpx(answer.value), "foreign_origin", "origin", 403)


def test_two_hundred_listeners(api: httpx.Client, server: str) -> None:
    """Each is told the same, in order and once, while requests are answered."""
    count = 200

    async def listener(client: httpx.AsyncClient, open: asyncio.Semaphore, end: asyncio.Future[int]) -> list[int]:
        found: list[int] = []
        async with client.stream("GET", PATH, params={"job": made}) as answer:
            assert answer.status_code == 200
            rest = ""
            async for text in answer.aiter_text():
                open.release()
                *whole, rest = (rest + text).split("\n\n")
                found += [int(piece.split("\n")[0].removeprefix("id: ")) for piece in whole if piece.startswith("id")]
                if end.done() and found and found[-1] >= end.result():
                    return found
        raise EOFError

    async def test() -> None:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(base_url=server, timeout=100, limits=limits) as client:
            opened, end = asyncio.Semaphore(0), asyncio.get_running_loop().create_future()
            listeners = [asyncio.create_task(listener(client, opened, end)) for _ in range(count)]
            for _ in range(count):
                await opened.acquire()
            answer = await asyncio.to_thread(api.get, "/api/v1/jobs", params={"limit": 1})
            assert answer.status_code == 200
            await asyncio.to_thread(api.post, f"/api/v1/jobs/{made}/cancel")
            kept = await asyncio.to_thread(api.get, PATH, params={"job": made, "after": 0, "wait": 0})
            ids = [int(line.removeprefix("id: ")) for line in kept.text.split("\n") if line.startswith("id: ")]
            end.set_result(ids[-1])
            # One more event, for those who had been told everything before they knew that it was everything.
            await asyncio.to_thread(api.delete, f"/api/v1/jobs/{made}")
            told = await asyncio.gather(*listeners)
        for found in told:
            assert [number for number in found if number <= ids[-1]] == [number for number in ids if number >= found[0]]

    long = SMALL | {"text": "Word after word after word. " * 200, "seed": 74}
    made = api.post("/api/v1/videos", json=long).json()["id"]
    asyncio.run(test())

"""Events over real connections: server-sent events and WebSockets, resumed, slow, gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from deployments.ingress import events
from deployments.ingress.bounds import Bounds
from pipeline.contracts import Event
from tests.api.conftest import error, refused
from tests.api.memory import MemoryOperations, Served

PATH = "/api/v1/events"


@dataclass(frozen=True)
class Here:
    """One server for one test."""

    operations: MemoryOperations
    http: httpx.AsyncClient
    websocket: str

    @asynccontextmanager
    async def stream(self, headers: dict[str, str] | None = None, **params: Any) -> AsyncGenerator[Sse]:
        async with self.http.stream("GET", PATH, params=params, headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            sse = Sse(response)
            begin, retry = (await anext(sse.pieces)).split("\n")
            assert begin.removeprefix("id: ").isdigit(), "where it begins, for who is cut off before the first event"
            assert retry == "retry: 1000"
            yield sse

    @asynccontextmanager
    async def talk(self, query: str = "", **options: Any) -> AsyncGenerator[ClientConnection]:
        async with connect(f"{self.websocket}{PATH}{query}", proxy=None, **options) as socket:
            yield socket


class Sse:
    """The events of a stream, checked."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.pieces = self._pieces()

    async def _pieces(self) -> AsyncIterator[str]:
        rest = ""
        async for text in self.response.aiter_text():
            *whole, rest = (rest + text).split("\n\n")
            for piece in whole:
                yield piece

    async def next(self) -> Event:
        async for piece in self.pieces:
            if piece == ":":
                continue
            fields = dict(line.split(": ", 1) for line in piece.split("\n"))
            event = Event.model_validate_json(fields["data"])
            assert (fields["id"], fields["event"]) == (str(event.id), event.type)
            return event
        raise EOFError

    async def rest(self) -> list[int]:
        found: list[int] = []
        while True:
            try:
                found.append((await self.next()).id)
            except EOFError:
                return found


async def heard(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(await socket.recv())


async def an_event(socket: ClientConnection) -> Event:
    return Event.model_validate(await heard(socket))


def play(test: Callable[[Here], Awaitable[None]], bounds: Bounds | None = None) -> None:
    async def run() -> None:
        operations = MemoryOperations()
        async with asyncio.timeout(60), Served(operations, bounds) as url, httpx.AsyncClient(base_url=url) as client:
            await test(Here(operations, client, url.replace("http", "ws")))

    asyncio.run(run())


async def soon(true: Callable[[], bool]) -> None:
    """Waits for it; the test's own time limit says how long."""
    while not true():
        await asyncio.sleep(0.01)


def test_server_sent() -> None:
    async def test(here: Here) -> None:
        mine, other = here.operations.add(), here.operations.add()
        here.operations.happens("task.queued", mine, type="video")
        async with here.stream() as everything, here.stream(job=mine, after=0) as one:
            happened = [
                here.operations.happens("task.started", mine, type="video", started_at="2026-11-21T09:00:00Z"),
                here.operations.happens("task.queued", other, type="video"),
                here.operations.happens("task.failed", mine, error={"code": "backend_failed", "message": "ü\n\u2028."}),
            ]
            assert [await everything.next() for _ in range(3)] == happened
            assert [(await one.next()).type for _ in range(3)] == ["task.queued", "task.started", "task.failed"]

    play(test)


def test_taken_up_again() -> None:
    """The header that browsers send goes over the address that they were given."""

    async def test(here: Here) -> None:
        job = here.operations.add()
        for _ in range(9):
            here.operations.happens("task.progress", job)
        async with here.stream(after=0) as first:
            seen = [await first.next() for _ in range(4)]
        here.operations.happens("task.completed", job)
        last = str(seen[-1].id)
        async with here.stream({"Last-Event-ID": last}, after=0, wait=0) as again:
            found = await again.rest()
        assert [event.id for event in seen] + found == [event.id for event in here.operations.kept]

    play(test)


def test_kept_events_alone() -> None:
    async def test(here: Here) -> None:
        job = here.operations.add()
        for _ in range(1200):
            here.operations.happens("task.progress", job)
        async with here.stream(after=300, wait=0) as stream:
            assert await stream.rest() == [event.id for event in here.operations.kept if event.id > 300]
        async with here.stream(wait=0.05) as stream:
            assert await stream.rest() == []

    play(test)


def test_websocket() -> None:
    async def test(here: Here) -> None:
        mine, other = here.operations.add(), here.operations.add()
        first = here.operations.happens("task.queued", mine, type="video")
        async with here.talk() as everything, here.talk(f"?job={mine}&after=0") as one:
            assert await heard(everything) == {"type": "subscribed", "job": None, "after": first.id}
            assert await heard(one) == {"type": "subscribed", "job": mine, "after": 0}
            assert await an_event(one) == first
            second = here.operations.happens("task.queued", other)
            third = here.operations.happens("task.cancelled", mine)
            assert [await an_event(everything) for _ in range(2)] == [second, third]
            assert await an_event(one) == third
            await one.send(json.dumps({"subscribe": {"job": other, "after": 0}}))
            assert await heard(one) == {"type": "subscribed", "job": other, "after": 0}
            assert await an_event(one) == second
            await one.send('{"subscribe": {}}')
            assert await heard(one) == {"type": "subscribed", "job": None, "after": third.id}

    play(test)


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ('{"subscribe": {"job": "vid_none"}}', "not_found", "id"),
        ('{"subscribe": {"after": "1"}}', "invalid_request", "subscribe.after"),
        ('{"subscribe": {"after": -1}}', "invalid_request", "subscribe.after"),
        ('{"subscribe": {"until": 1}}', "unknown_field", "subscribe.until"),
        ('{"publish": {}}', "missing_field", "subscribe"),
        ("[]", "invalid_request", "body"),
        ("{", "invalid_json", "body"),
        ("[" * 4000, "invalid_json", "body"),
        ("x" * 5000, "invalid_request", "body"),
        (b"{}", "invalid_request", "body"),
        ("", "invalid_request", "body"),
    ],
)
def test_messages_that_are_refused(message: str | bytes, code: str, field: str) -> None:
    async def test(here: Here) -> None:
        async with here.talk() as socket:
            await heard(socket)
            await socket.send(message)
            said = await heard(socket)
            assert (said["type"], said["error"]["code"], said["error"]["field"]) == ("error", code, field)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (events.POLICY_VIOLATION, code)
        assert not here.operations._followers

    play(test)


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("?job=vid_none", 404, "not_found", "id"),
        ("?after=x", 422, "invalid_request", "after"),
        ("?after=-1", 422, "invalid_request", "after"),
        ("?since=1", 422, "unknown_field", "since"),
        ("?after=1&after=2", 422, "given_twice", "after"),
        (f"?job={'x' * 101}", 422, "invalid_request", "job"),
    ],
)
def test_what_is_refused_before_it_is_open(query: str, status: int, code: str, field: str) -> None:
    """The same answer to a WebSocket as to any request."""

    async def test(here: Here) -> None:
        refused(await here.http.get(PATH + query), code, field, status)
        with pytest.raises(InvalidStatus) as answer:
            await here.talk(query).__aenter__()
        refused(as_httpx(answer.value), code, field, status)

    play(test)


def as_httpx(refusal: InvalidStatus) -> httpx.Response:
    response = refusal.response
    return httpx.Response(
        response.status_code, headers=list(response.headers.raw_items()), content=bytes(response.body)
    )


def test_other_sites_pages_are_kept_out() -> None:
    async def test(here: Here) -> None:
        port = here.http.base_url.port
        for address, origin, code in (
            (here.websocket, "http://example.org", "foreign_origin"),
            (here.websocket, "null", "foreign_origin"),
            (f"ws://example.org:{port}", None, "foreign_host"),
            (f"ws://example.org:{port}", f"http://example.org:{port}", "foreign_host"),
        ):
            headers = {} if origin is None else {"Origin": origin}
            with pytest.raises(InvalidStatus) as answer:
                await connect(address + PATH, proxy=None, host="127.0.0.1", port=port, additional_headers=headers)
            found = as_httpx(answer.value)
            assert (found.status_code, error(found)["code"]) == (403, code)
        own = {"Origin": str(here.http.base_url).rstrip("/")}
        async with here.talk(additional_headers=own) as socket:
            assert (await heard(socket))["type"] == "subscribed"

    play(test)


def test_so_many_may_listen() -> None:
    async def test(here: Here) -> None:
        job = here.operations.add()
        async with here.stream(), here.talk(), here.http.stream("GET", f"/api/v1/videos/{job}/events") as one:
            assert one.status_code == 200
            for path in (PATH, f"/api/v1/videos/{job}/events"):
                answer = await here.http.get(path)
                assert (answer.status_code, error(answer)["code"]) == (429, "too_many_listeners")
                assert answer.headers["retry-after"] == "5"
            with pytest.raises(InvalidStatus) as answer:
                await here.talk().__aenter__()
            assert as_httpx(answer.value).headers["retry-after"] == "5"
            assert (await here.http.get("/api/v1/jobs")).status_code == 200
        await soon(lambda: not here.operations._followers and not here.operations.watching)
        async with here.stream(), here.talk():
            pass

    play(test, Bounds(listeners=3, waiting=1))


def test_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.02)

    async def test(here: Here) -> None:
        event = here.operations.happens("task.queued", "a")
        async with here.stream() as stream, here.talk() as socket:
            assert [await anext(stream.pieces) for _ in range(2)] == [":", ":"]
            assert (await heard(socket))["type"] == "subscribed"
            assert [await heard(socket) for _ in range(2)] == [{"type": "heartbeat", "id": event.id}] * 2
            here.operations.leaves()
            await soon(lambda: not here.operations._followers)
            assert await anext(stream.pieces) == ":", "also while the coordinator is away"

    play(test)


def test_streams_end_and_are_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many bytes; nothing is lost or told twice over the reconnects."""
    monkeypatch.setattr(events, "STREAM_BYTES", 5000)

    async def test(here: Here) -> None:
        for _ in range(1500):
            here.operations.happens("task.progress", "a")
        expected = [event.id for event in here.operations.kept]
        found: list[int] = []
        while len(found) < len(expected):
            async with here.stream({"Last-Event-ID": str(found[-1] if found else 0)}, wait=5) as stream:
                found += await stream.rest()
        assert found == expected
        found = []
        while len(found) < len(expected):
            async with here.talk(f"?after={found[-1] if found else 0}") as socket:
                assert (await heard(socket))["type"] == "subscribed"
                try:
                    while len(found) < len(expected):
                        found.append((await an_event(socket)).id)
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None
                    assert closed.rcvd.code == events.GOING_AWAY
                    assert closed.rcvd.reason == f"take up again after {found[-1]}"
        assert found == expected

    play(test)


def test_who_does_not_read_holds_up_nobody() -> None:
    """Two clients that open a stream and never read of it, while others follow as things happen."""

    async def test(here: Here) -> None:
        port = here.http.base_url.port
        _, deaf = await asyncio.open_connection("127.0.0.1", port, limit=1)
        deaf.write(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        async with here.stream() as quick, here.talk(max_queue=1) as idle, here.talk() as lively:
            for socket in (idle, lively):
                assert (await heard(socket))["type"] == "subscribed"
            padding = "x" * 20_000
            for _ in range(150):
                happened = [here.operations.happens("task.progress", "a", message=padding) for _ in range(2)]
                assert [(await quick.next()).id for _ in range(2)] == [event.id for event in happened[:2]]
                assert [(await an_event(lively)).id for _ in range(2)] == [event.id for event in happened]
                if (await here.http.get("/api/v1/jobs")).status_code != 200:
                    raise AssertionError
                if happened[-1].id > 80:
                    break  # a megabyte and a half: both quick ones would be told to take up again
            idle.transport.abort()
        deaf.close()
        await soon(lambda: not here.operations._followers)

    play(test)


def test_who_is_gone_is_forgotten() -> None:
    async def test(here: Here) -> None:
        job = here.operations.add()
        async with (
            here.stream(),
            here.stream(job=job),
            here.talk() as first,
            here.talk() as second,
            here.http.stream("GET", f"/api/v1/videos/{job}/events"),
        ):
            await heard(first)
            assert len(here.operations._followers) == here.operations.watching == 1
            second.transport.abort()
        await soon(lambda: not here.operations._followers and not here.operations.watching)

    play(test)


def test_a_video_as_it_changes() -> None:
    async def test(here: Here) -> None:
        job = here.operations.add()
        async with here.http.stream("GET", f"/api/v1/videos/{job}/events") as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: queued"
            await here.operations.moves(job, "in_progress", progress=50.0)
            await here.operations.completes(job)
            rest = [line async for line in lines if line.startswith("event")]
        assert rest[-1] == "event: completed"

    play(test)

"""Jobs, idempotency, waiting and usage over HTTP, with the operations in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from deployments.ingress.bounds import Bounds
from pipeline.contracts import Job, JobPage, VideoJob
from tests.api.conftest import error, refused
from tests.api.memory import FILE, MemoryOperations, served

Test = Callable[[httpx.AsyncClient, MemoryOperations], Awaitable[None]]
BODY: dict[str, Any] = {"text": "Hello."}


def play(test: Test, bounds: Bounds | None = None) -> None:
    async def run() -> None:
        operations = MemoryOperations()
        transport = httpx.ASGITransport(served(operations, bounds))
        async with asyncio.timeout(30), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await test(client, operations)

    asyncio.run(run())


def test_one() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        job_id = operations.add("failed")
        job = Job(**(await client.get(f"/api/v1/jobs/{job_id}")).json())
        assert job == operations.jobs_kept[job_id]
        assert [step.name for step in job.steps] == ["locate", "speak.0001", "film"]
        assert job.error is not None
        missing = await client.get("/api/v1/jobs/vid_none")
        refused(missing, "not_found", "id", 404)

    play(test)


def test_pages_and_filters() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        made = [operations.add(state) for state in ("completed", "failed", "pending", "failed", "cancelled")]

        async def listed(**params: Any) -> tuple[list[str], bool]:
            page = JobPage(**(await client.get("/api/v1/jobs", params=params)).json())
            assert all(job.steps == () for job in page.data)
            return [job.id for job in page.data], page.has_more

        assert await listed() == (made[::-1], False)
        assert await listed(limit=2) == ([made[4], made[3]], True)
        assert await listed(limit=3, after=made[3]) == (made[2::-1], False)
        assert await listed(kind="video", limit=1) == ([made[4]], True)
        assert await listed(state="failed") == ([made[3], made[1]], False)
        assert await listed(state=["failed", "cancelled"], limit=2) == ([made[4], made[3]], True)
        assert await listed(state=["blocked"]) == ([], False)

    play(test)


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "invalid_request", "limit"),
        ("limit=101", "invalid_request", "limit"),
        ("limit=1&limit=2", "given_twice", "limit"),
        ("kind=audio", "invalid_request", "kind"),
        ("state=done", "invalid_request", "state.0"),
        ("state=failed,cancelled", "invalid_request", "state.0"),
        ("states=failed", "unknown_field", "states"),
    ],
)
def test_lists_that_are_refused(query: str, code: str, field: str) -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        refused(await client.get(f"/api/v1/jobs?{query}"), code, field)

    play(test)


def test_what_is_accepted_is_said() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        found = error(await client.get("/api/v1/jobs?state=done"))
        assert "'awaiting_review'" in str(found["accepted"])
        found = error(await client.get("/api/v1/usage/videos"))
        assert found["accepted"] == "'jobs' or 'steps'"

    play(test)


def test_cancel_retry_delete() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        waiting, failed = operations.add(), operations.add("failed")
        assert Job(**(await client.post(f"/api/v1/jobs/{waiting}/cancel")).json()).state == "cancelled"
        again = await client.post(f"/api/v1/jobs/{waiting}/cancel")
        assert (again.status_code, error(again)["code"]) == (409, "already_ended")
        retried = Job(**(await client.post(f"/api/v1/jobs/{failed}/retry")).json())
        assert (retried.state, retried.attempt) == ("pending", 2)
        again = await client.post(f"/api/v1/jobs/{failed}/retry")
        assert (again.status_code, error(again)["code"]) == (409, "not_failed")
        assert (await client.delete(f"/api/v1/jobs/{failed}")).status_code == 204
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry")):
            answer = await client.request(method, f"/api/v1/jobs/{failed}{path}")
            refused(answer, "not_found", "id", 404)

    play(test)


def test_wait() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        job_id = operations.add()
        asked = asyncio.create_task(client.get(f"/api/v1/jobs/{job_id}", params={"wait": 20}))
        await asyncio.sleep(0.05)
        await operations.completes(job_id)
        job = Job(**(await asked).json())
        assert (job.state, job.progress) == ("completed", 100)
        short = await client.get(f"/api/v1/jobs/{operations.add()}", params={"wait": 0.01})
        assert short.json()["state"] == "pending"

    play(test)


def test_so_many_may_wait() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        job_id = operations.add()
        paths = (f"/api/v1/jobs/{job_id}?wait=20", f"/api/v1/videos/{job_id}?wait=20")
        waiting = [asyncio.create_task(client.get(path)) for path in paths]
        await asyncio.sleep(0.05)
        calls = [client.get(paths[0]), client.get(paths[1]), client.post("/api/v1/videos?wait=1", json=BODY)]
        for answer in await asyncio.gather(*calls):
            assert (answer.status_code, error(answer)["code"]) == (429, "too_many_waiting")
            assert answer.headers["retry-after"] == "5"
        assert operations.requests == [], "what can't be waited for is not accepted either"
        assert (await client.get(paths[0].partition("?")[0])).status_code == 200
        assert (await client.post("/api/v1/videos", json=BODY)).status_code == 202
        await operations.completes(job_id)
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await client.get(paths[0])).status_code == 200

    play(test, Bounds(listeners=1, waiting=2))


def test_the_same_key_is_the_same_job() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        key = {"Idempotency-Key": "order-17!~"}
        first = await client.post("/api/v1/videos", json=BODY, headers=key)
        second = await client.post("/api/v1/videos", json=BODY, headers=key)
        assert VideoJob(**first.json()) == VideoJob(**second.json())
        assert first.headers["location"] == second.headers["location"] == f"/api/v1/videos/{first.json()['id']}"
        other = await client.post("/api/v1/videos", json=BODY | {"seed": 1}, headers=key)
        assert (other.status_code, error(other)["code"]) == (409, "key_reused")
        unnamed = await client.post("/api/v1/videos", json=BODY)
        assert unnamed.json()["id"] != first.json()["id"]
        await operations.completes(first.json()["id"])
        ended = await client.post("/api/v1/videos", json=BODY, headers=key)
        assert (ended.status_code, ended.json()["status"]) == (200, "completed")

    play(test)


@pytest.mark.parametrize("key", [b"", b"two words", b"caf\xe9", b"a" * 256, b"\x00"])
@pytest.mark.parametrize("path", ["/api/v1/videos", "/v1/videos"])
def test_keys_that_are_none(path: str, key: bytes) -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        body = {"prompt" if path.startswith("/v1") else "text": "Hello."}
        answer = await client.post(path, json=body, headers=[(b"Idempotency-Key", key)])
        refused(answer, "invalid_request", "Idempotency-Key")
        assert operations.requests == []

    play(test)


def test_usage() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        answer = await client.get("/api/v1/usage/steps", params={"since": "2026-11-21T10:00:00+01:00"})
        assert answer.content == b"PAR1steps"
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        assert answer.headers["content-disposition"] == 'attachment; filename="steps.parquet"'
        assert (await client.get("/api/v1/usage/jobs")).content == b"PAR1jobs"
        nine = datetime(2026, 11, 21, 9, tzinfo=UTC)
        assert operations.asked_for_usage == [("steps", nine), ("jobs", None)]
        for since in ("2026-11-21T10:00:00", "yesterday", "3600", "0001-01-01T00:00:00+10:00"):
            refused(await client.get("/api/v1/usage/jobs", params={"since": since}), "invalid_request", "since")

    play(test)


def test_content_may_come_from_the_bucket_itself() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        job_id = operations.add()
        await operations.completes(job_id)
        address = f"/api/v1/videos/{job_id}/content"
        assert (await client.get(address, params={"redirect": "true"})).content == FILE, "there is no bucket"
        operations.bucket = True
        assert (await client.get(address)).content == FILE, "nobody asked for it"
        there = await client.get(address, params={"redirect": "true"})
        assert (there.status_code, there.headers["cache-control"]) == (307, "no-store")
        assert there.headers["location"] == f"http://bucket.example/{job_id}?for=3600"

    play(test)


def test_content() -> None:
    async def test(client: httpx.AsyncClient, operations: MemoryOperations) -> None:
        job_id = operations.add()
        address = f"/api/v1/videos/{job_id}/content"
        for method in ("GET", "HEAD"):
            assert (await client.request(method, address)).status_code == 409
        await operations.completes(job_id)
        whole = await client.get(address)
        assert whole.content == FILE
        assert whole.headers["content-disposition"] == f'inline; filename="{job_id}.mp4"'
        etag = whole.headers["etag"]
        head = await client.head(address, headers={"Range": "bytes=0-1"})
        assert (head.status_code, head.content) == (200, b"")
        same = ("content-length", "content-type", "etag", "accept-ranges")
        assert [head.headers[name] for name in same] == [whole.headers[name] for name in same]
        for condition, status, content in (
            ({}, 206, FILE[5:10]),
            ({"If-Range": etag}, 206, FILE[5:10]),
            ({"If-Range": '"another"'}, 200, FILE),
            ({"If-Range": f"W/{etag}"}, 200, FILE),
            ({"If-Range": "Sat, 21 Nov 2026 09:00:00 GMT"}, 200, FILE),
            ({"If-None-Match": "*"}, 304, b""),
        ):
            answer = await client.get(address, headers={"Range": "BYTES=5-9", **condition})
            assert (answer.status_code, answer.content) == (status, content), condition
        outside = await client.get(address, headers={"Range": f"bytes={len(FILE)}-"})
        assert (outside.status_code, error(outside)["code"]) == (416, "range_not_satisfiable")
        assert outside.headers["content-range"] == f"bytes */{len(FILE)}"
        assert (await client.get(address, headers={"Range": "bytes=0-1,5-6"})).content == FILE

    play(test)

"""OpenAI's own client against /v1/videos: against the routes alone, and once against everything."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai import AsyncOpenAI, ConflictError, NotFoundError, UnprocessableEntityError
from PIL import Image

from pipeline.contracts import VideoRequest
from tests.api.memory import FILE, MemoryOperations, Served

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")]

# Any: every method of the client's is marked as deprecated, which the type checker would say each time.
Test = Callable[[Any, MemoryOperations], Awaitable[None]]


def play(test: Test) -> None:
    async def run() -> None:
        operations = MemoryOperations()
        async with (
            asyncio.timeout(30),
            Served(operations) as url,
            AsyncOpenAI(base_url=f"{url}/v1", api_key="none is needed", max_retries=0) as client,
        ):
            await test(client, operations)

    asyncio.run(run())


def test_everything(openai: Any, photo: bytes) -> None:
    """A photo that says something, through the real application."""
    made = openai.videos.create_and_poll(
        prompt="Hello there.",
        input_reference=("me.png", photo, "image/png"),
        model="sora-2",
        size="128x128",
    )
    assert (made.status, made.progress, made.error) == ("completed", 100, None)
    assert (made.model, made.size) == ("lipsync-meshwarp", "128x128")
    assert 0.3 < float(made.seconds) < 5
    assert made.completed_at is not None
    assert made.completed_at >= made.created_at
    film = openai.videos.download_content(made.id).content
    assert film[4:8] == b"ftyp"
    thumbnail = Image.open(io.BytesIO(openai.videos.download_content(made.id, variant="thumbnail").content))
    sheet = Image.open(io.BytesIO(openai.videos.download_content(made.id, variant="spritesheet").content))
    assert (thumbnail.format, thumbnail.size) == (sheet.format, thumbnail.size) == ("WEBP", (128, 128))
    assert sheet.size == (800, 800)
    assert openai.videos.retrieve(made.id) == made
    assert made.id in [video.id for video in openai.videos.list()]
    gone = openai.videos.delete(made.id)
    assert (gone.id, gone.deleted, gone.object) == (made.id, True, "video.deleted")
    with pytest.raises(NotFoundError):
        openai.videos.retrieve(made.id)


def test_what_is_asked_for() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        plain = await client.videos.create(prompt="Say this.")
        assert (plain.status, plain.progress, plain.prompt) == ("queued", 0, "Say this.")
        assert (plain.size, plain.seconds, plain.model) == ("auto", "0", "lipsync-meshwarp")
        asked: dict[str, Any] = {"model": "b", "size": "256x256", "extra_body": {"voice": "f5", "language": "de"}}
        full = await client.videos.create(prompt="Dies.", input_reference=b"a photo", **asked)
        assert (full.size, full.model) == ("256x256", "lipsync-b")
        first, second = operations.requests
        assert first == VideoRequest.model_validate({"text": "Say this.", "backends": {"lipsync": "meshwarp"}})
        wanted = {"text": "Dies.", "portrait": b"a photo", "voice": "f5", "language": "de", "size": 256}
        assert second == VideoRequest.model_validate(wanted | {"backends": {"lipsync": "b"}})

    play(test)


def test_as_json() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        answer = await client.post("/videos", body={"prompt": "Say this.", "seconds": "8"}, cast_to=object)
        assert isinstance(answer, dict)
        assert (answer["object"], answer["status"]) == ("video", "queued")

    play(test)


def test_a_length_is_not_followed_and_that_is_said() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        answer = await client.videos.with_raw_response.create(prompt="Say this.", seconds="8")
        assert answer.headers["x-mouthpiece-ignored"] == "seconds"
        video = answer.parse()
        assert answer.headers["location"] == f"/v1/videos/{video.id}"
        assert video.seconds == "0"
        await operations.completes(video.id)
        assert (await client.videos.retrieve(video.id)).seconds == "2.5"
        plain = await client.videos.with_raw_response.create(prompt="Say this.")
        assert "x-mouthpiece-ignored" not in plain.headers

    play(test)


def test_polled_to_its_end() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        polling = asyncio.create_task(client.videos.create_and_poll(prompt="Say this."))
        while not operations.jobs_kept:
            await asyncio.sleep(0.01)
        job_id = next(iter(operations.jobs_kept))
        await operations.moves(job_id, "in_progress", progress=40.7)
        running = await client.videos.retrieve(job_id)
        assert (running.status, running.progress, running.completed_at) == ("in_progress", 40, None)
        await operations.completes(job_id)
        video = await polling
        assert (video.status, video.size, video.model) == ("completed", "128x128", "lipsync-meshwarp")
        content = await client.videos.download_content(video.id)
        assert content.content == FILE
        assert content.response.headers["content-type"] == "video/mp4"
        for variant in ("thumbnail", "spritesheet"):
            still = await client.videos.download_content(video.id, variant=variant)
            assert (still.content, still.response.headers["content-type"]) == (variant.encode(), "image/webp")

    play(test)


def test_failed_and_cancelled() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        failed = await client.videos.retrieve(operations.add("failed"))
        assert failed.error is not None
        assert (failed.status, failed.error.code, failed.error.message) == ("failed", "backend_failed", "It broke.")
        cancelled = await client.videos.retrieve(operations.add("cancelled"))
        assert cancelled.error is not None
        assert (cancelled.status, cancelled.error.code, cancelled.completed_at) == ("failed", "cancelled", None)
        for variant in ("video", "thumbnail"):
            with pytest.raises(ConflictError) as refused:
                await client.videos.download_content(cancelled.id, variant=variant)
            assert (refused.value.code, refused.value.type) == ("not_completed", "invalid_request_error")

    play(test)


def test_pages() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        made = [operations.add() for _ in range(5)]
        assert [video.id async for video in client.videos.list(limit=2)] == made[::-1]
        page = await client.videos.list(limit=2, after=made[3])
        assert ([video.id for video in page.data], page.has_more, page.last_id) == ([made[2], made[1]], True, made[1])
        await client.videos.delete(made[0])
        assert made[0] not in operations.jobs_kept

    play(test)


def test_a_key() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        key = {"Idempotency-Key": "once"}
        first = await client.videos.create(prompt="Say this.", extra_headers=key)
        assert (await client.videos.create(prompt="Say this.", extra_headers=key)).id == first.id
        with pytest.raises(ConflictError):
            await client.videos.create(prompt="Say that.", extra_headers=key)

    play(test)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"size": "720x1280"}, "invalid_size", "size"),
        ({"size": "big"}, "invalid_size", "size"),
        ({"seconds": "-1"}, "invalid_request", "seconds"),
        ({"seconds": "eight"}, "invalid_request", "seconds"),
        ({"prompt": ""}, "invalid_request", "prompt"),
        ({"input_reference": "a text"}, "file_in_json", "input_reference"),
        ({"input_reference": {"file_id": "file_1"}}, "file_in_json", "input_reference"),
        ({"input_reference": {"image_url": "http://10.0.0.1/me.png"}}, "file_in_json", "input_reference"),
        ({"n": 2}, "unknown_field", "n"),
        ({"voice": ""}, "invalid_request", "voice"),
    ],
)
def test_refused(change: dict[str, Any], code: str, param: str) -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        with pytest.raises(UnprocessableEntityError) as refused:
            await client.post("/videos", body={"prompt": "Say this."} | change, cast_to=object)
        assert (refused.value.code, refused.value.param, refused.value.type) == (code, param, "invalid_request_error")
        assert operations.requests == []

    play(test)


@pytest.mark.parametrize("model", ["veo", "voice-espeak", "sora"])
def test_unknown_model(model: str) -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        with pytest.raises(NotFoundError) as refused:
            await client.videos.create(prompt="Say this.", model=model)
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
        assert "lipsync-meshwarp" in str(refused.value.body)

    play(test)


def test_other_orders_are_refused() -> None:
    async def test(client: Any, operations: MemoryOperations) -> None:
        with pytest.raises(UnprocessableEntityError) as refused:
            await client.videos.list(order="asc")
        assert refused.value.param == "order"
        assert "'desc'" in str(refused.value.body)

    play(test)

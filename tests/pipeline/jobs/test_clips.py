"""Clips: what is planned for them, what is refused, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.contracts import ClipRequest, VideoRequest
from pipeline.errors import Conflict, InvalidImage, InvalidRequest, MouthpieceError, TooLarge, UnknownName
from pipeline.nodes.shapes import frame_size
from tests.pipeline.jobs.works import CountedModels, works

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def request(**fields: object) -> ClipRequest:
    return ClipRequest.model_validate({"seconds": 0.5, **fields})


async def test_a_clip_of_a_picture_is_one_step_and_has_its_shape(tmp_path: Path, photo: bytes) -> None:
    async with works(tmp_path, CountedModels()) as here:
        job = await here.jobs.submit(request(picture=photo, width=320, height=240, camera="pan_left", fps=10))
        assert [(step.name, step.kind, step.backend) for step in job.steps] == [("move", "move", "counted")]
        done = await here.jobs.wait(job.id, 20)
        result = done.result
        assert result is not None
        assert (result.width, result.height, result.size) == (320, 240, 240)
        assert (result.frames, result.seconds, done.frames_made) == (5, 0.5, 5)
        assert result.backends == {"motion": "counted"}
        again = await here.jobs.submit(request(picture=photo, width=320, height=240, camera="pan_left", fps=10))
        assert (await here.jobs.wait(again.id, 20)).steps[0].cached
        assert here.models.calls["move"] == 1
        await here.jobs.delete(job.id)
        await here.jobs.delete(again.id)
        assert not here.artifacts.has(result.sha256)


async def test_a_clip_may_be_drawn_first(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        job = await here.jobs.submit(request(prompt="a harbour"))
        done = await here.jobs.wait(job.id, 20)
        assert [step.name for step in done.steps] == ["draw", "move"]
        assert done.result is not None
        assert (done.result.width, done.result.height, done.result.fps) == (512, 512, 25)
        assert done.result.backends == {"avatar": "counted", "motion": "counted"}


async def test_a_key_is_one_clip_and_no_video(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels()) as here:
        job = await here.jobs.submit(request(prompt="a harbour"), "mine")
        assert (await here.jobs.submit(request(prompt="a harbour"), "mine")).id == job.id
        with pytest.raises(Conflict):
            await here.jobs.submit(VideoRequest(text="Hi.", prompt="a harbour"), "mine")


async def test_what_cannot_be_made_is_refused_before_there_is_a_job(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, object], type[MouthpieceError], str, str]] = [
        ({}, InvalidRequest, "missing_field", "picture"),
        ({"picture": b"x", "prompt": "x"}, InvalidRequest, "two_sources", "prompt"),
        ({"picture": b"no picture"}, InvalidImage, "not_image", "picture"),
        ({"prompt": "x", "backends": {"motion": "none"}}, UnknownName, "unknown_name", "backends.motion"),
        ({"prompt": "x", "seconds": 3000}, TooLarge, "video_too_long", "seconds"),
    ]
    async with works(tmp_path, CountedModels(), limits={"video_seconds": 60.0}) as here:
        for fields, kind, code, field in cases:
            with pytest.raises(kind) as refused:
                await here.jobs.submit(request(**fields))
            assert (refused.value.code, refused.value.field) == (code, field)
        assert await here.jobs.page(10, None) == []


@pytest.mark.parametrize(
    ("shape", "width", "height", "size"),
    [
        ((400, 300), None, None, (682, 512)),
        ((300, 400), None, None, (512, 682)),
        ((300, 300), None, None, (512, 512)),
        ((400, 300), 640, None, (640, 480)),
        ((400, 300), None, 240, (320, 240)),
        ((400, 300), 200, 800, (200, 800)),
        ((4000, 100), None, None, (3840, 512)),
        ((4000, 100), 640, None, (640, 128)),
    ],
)
def test_what_is_not_given_follows_from_the_picture(
    shape: tuple[int, int], width: int | None, height: int | None, size: tuple[int, int]
) -> None:
    assert frame_size(shape, width, height, 512) == size

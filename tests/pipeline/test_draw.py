"""Portraits that can be used: drawn again with the next seed, with the reasons, in requests and in jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.contracts import ClipRequest, Drawing, DrawRequest, Face, Picture, PortraitRequest, VideoRequest
from pipeline.errors import InvalidRequest, UnusableFace
from pipeline.media.image import decode_picture, encode_png
from pipeline.settings import Settings
from pipeline.steps.draw import check, draw, portrait
from tests.pipeline.jobs.works import CountedModels, works

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Chancy(CountedModels):
    """Draws the seed as a shade of grey; only pictures of certain seeds have a face. Honours a style and steps."""

    def __init__(self, *usable: int) -> None:
        super().__init__()
        self.usable = usable
        self.requests: list[PortraitRequest] = []

    def honours(self, backend: str) -> tuple[str, ...]:
        return ("style", "steps", "image", "strength")

    def redrawn(self, backend: str) -> bool:
        return True

    async def draw(self, backend: str, request: PortraitRequest) -> Picture:
        self.requests.append(request)
        return await super().draw(backend, request)

    async def locate(self, backend: str, picture: Picture) -> Face:
        if int(picture[0, 0, 0]) not in self.usable:
            self.calls["refused"] += 1
            reason = "several_faces" if picture[0, 0, 0] % 2 else "no_face"
            raise UnusableFace(f"It is {reason}.", code=reason, field="portrait", accepted="one face")
        return await super().locate(backend, picture)


async def test_the_first_seed_with_a_face_is_taken_and_the_others_are_told() -> None:
    models = Chancy(9)
    drawn = await draw(models, "counted", PortraitRequest("x", 128, 7), "counted", 4)
    assert drawn.seed == 9
    assert (drawn.picture == 9).all()
    assert [(each.seed, each.code) for each in drawn.refused] == [(7, "several_faces"), (8, "no_face")]
    assert models.calls["draw"] == 3


async def test_after_so_many_it_is_given_up_with_every_reason() -> None:
    models = Chancy(9)
    with pytest.raises(UnusableFace) as refused:
        await draw(models, "counted", PortraitRequest("x", 128, 7), "counted", 2)
    error = refused.value
    assert (error.code, error.field) == ("no_usable_face", "prompt")
    assert "Seed 7: It is several_faces." in error.message
    assert "Seed 8: It is no_face." in error.message
    assert "avatar.attempts" in str(error.accepted)
    assert models.calls["draw"] == 2


async def test_after_the_last_seed_comes_the_first() -> None:
    models = Chancy(0)
    last = 2**63 - 1
    assert (await draw(models, "counted", PortraitRequest("x", 128, last), "counted", 2)).seed == 0


async def test_a_request_for_a_portrait_takes_all_its_options_along() -> None:
    models, settings = Chancy(4), Settings.model_validate({"avatar": {"attempts": 3}})
    photo = np.arange(80 * 96 * 3, dtype=np.uint32).reshape(80, 96, 3).astype(np.uint8)
    request = DrawRequest(prompt="x", size=128, seed=3, style="photo", steps=7, image=encode_png(photo), strength=0.4)
    made = await portrait(models, settings, request)
    assert (made.seed, [each.seed for each in made.refused]) == (4, [3])
    assert (decode_picture(made.png) == 4).all()
    asked = models.requests[1]
    assert (asked.prompt, asked.size, asked.style, asked.steps, asked.strength) == ("x", 128, "photo", 7, 0.4)
    assert asked.image is not None
    assert np.array_equal(asked.image, photo)


async def test_what_a_backend_does_not_honour_is_refused_and_not_passed_over() -> None:
    models, settings = Chancy(3), Settings()
    for options, field in (({"loras": {"warm": 1.0}}, "loras"), ({"negative_prompt": "hats"}, "negative_prompt")):
        with pytest.raises(InvalidRequest) as refused:
            await portrait(models, settings, DrawRequest.model_validate({"seed": 3, **options}))
        assert (refused.value.code, refused.value.field) == ("not_honoured", field)
    with pytest.raises(InvalidRequest) as refused:
        await portrait(models, settings, DrawRequest(seed=3, strength=0.5))
    assert refused.value.field == "strength"
    check(models, "counted", ("style", "image"))
    assert models.calls["draw"] == 0


def video(**fields: Any) -> VideoRequest:
    return VideoRequest.model_validate({"text": "One.", "prompt": "a face", **fields})


async def test_a_job_draws_again_and_keeps_what_it_drew(tmp_path: Path) -> None:
    async with works(tmp_path, Chancy(6), avatar={"attempts": 3}) as here:
        job = await here.jobs.wait((await here.jobs.submit(video(seed=4))).id, 20)
        assert job.state == "completed", job.error
        step = next(step for step in job.steps if step.kind == "draw")
        made = await _made(here, step.key)
        assert made.facts["seed"] == 6
        assert [each["code"] for each in made.facts["refused"]] == ["no_face", "several_faces"]
        drawn = here.models.calls["draw"]
        again = await here.jobs.wait((await here.jobs.submit(video(seed=4, text="Two."))).id, 20)
        assert again.state == "completed"
        assert here.models.calls["draw"] == drawn == 3, "what was drawn before is taken from the store"


async def test_a_job_without_a_usable_face_says_why(tmp_path: Path) -> None:
    async with works(tmp_path, Chancy(), avatar={"attempts": 2}) as here:
        job = await here.jobs.wait((await here.jobs.submit(video(seed=4))).id, 20)
        assert job.state == "failed"
        assert job.error is not None
        assert (job.error.code, job.error.field, job.error.retryable) == ("no_usable_face", "prompt", False)
        assert "Seed 5: " in job.error.message
        assert here.models.calls["draw"] == 2


async def test_who_looks_and_how_often_is_part_of_the_key(tmp_path: Path) -> None:
    keys = set()
    for number, (attempts, version) in enumerate(((2, "1"), (3, "1"), (2, "2"), (2, "1"))):
        models = Chancy(4)
        models.version = version
        async with works(tmp_path / str(number), models, avatar={"attempts": attempts}) as here:
            job = await here.jobs.wait((await here.jobs.submit(video(seed=4))).id, 20)
            keys.add(next(step.key for step in job.steps if step.kind == "draw"))
    assert len(keys) == 3


async def test_a_picture_for_a_film_need_have_no_face(tmp_path: Path) -> None:
    async with works(tmp_path, Chancy()) as here:
        request = ClipRequest(prompt="a harbour", seconds=0.2, drawing=Drawing(style="photo", steps=9))
        job = await here.jobs.wait((await here.jobs.submit(request)).id, 20)
        assert job.state == "completed", job.error
        assert (here.models.calls["draw"], here.models.calls["refused"]) == (1, 0)
        assert (here.models.requests[0].style, here.models.requests[0].steps) == ("photo", 9)


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (video(drawing={"guidance": 3.0}), "not_honoured", "drawing.guidance"),
        (video(prompt=None, portrait=b"x", drawing={"style": "photo"}), "invalid_request", "drawing.style"),
        (ClipRequest(picture=b"x", drawing=Drawing(steps=3)), "invalid_request", "drawing.steps"),
        (ClipRequest(prompt="x", drawing=Drawing(loras={})), "not_honoured", "drawing.loras"),
    ],
)
async def test_a_job_is_refused_before_there_is_one(tmp_path: Path, request_: Any, code: str, field: str) -> None:
    async with works(tmp_path, Chancy(0)) as here:
        with pytest.raises(InvalidRequest) as refused:
            await here.jobs.submit(request_)
        assert (refused.value.code, refused.value.field) == (code, field)
        await asyncio.sleep(0)
        assert here.models.calls["draw"] == 0


async def _made(here: Any, key: str) -> Any:
    from pipeline.storage import nodes

    await here.journal.settle()
    return await here.journal.read(lambda connection: nodes.find(connection, key))

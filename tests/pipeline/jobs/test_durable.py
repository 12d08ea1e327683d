"""Jobs on the durable runner: what ended in one life is not done again in the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.jobs.durable import DurableRunner
from tests.pipeline.jobs.test_jobs import request
from tests.pipeline.jobs.works import CountedModels, Hold, works

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_job_is_done_and_the_runner_says_so(tmp_path: Path) -> None:
    async with works(tmp_path, CountedModels(), runner=DurableRunner.in_folder(tmp_path)) as here:
        jobs = [await here.jobs.submit(request(seed=seed)) for seed in range(3)]
        for job in jobs:
            assert (await here.jobs.wait(job.id, 30)).state == "completed"


async def test_the_next_life_goes_on_where_this_one_stopped(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = held = Hold("film")
    async with works(tmp_path, models, runner=DurableRunner.in_folder(tmp_path), running=1) as here:
        jobs = [await here.jobs.submit(request(seed=seed)) for seed in range(3)]
        await held.reached.wait()
    models.hook = None
    assert models.calls["locate"] == 1
    async with works(tmp_path, models, runner=DurableRunner.in_folder(tmp_path), running=1) as here:
        for job in jobs:
            assert (await here.jobs.wait(job.id, 30)).state == "completed"
    assert models.calls["speak One is here."] == 1
    assert models.calls["locate"] == 3
    assert models.calls["film"] == 4


async def test_a_cancelled_job_stays_so(tmp_path: Path) -> None:
    models = CountedModels()
    models.hook = held = Hold("film")
    async with works(tmp_path, models, runner=DurableRunner.in_folder(tmp_path)) as here:
        job = await here.jobs.submit(request())
        await held.reached.wait()
        assert (await here.jobs.cancel(job.id)).state == "cancelled"
    async with works(tmp_path, models, runner=DurableRunner.in_folder(tmp_path)) as here:
        assert (await here.jobs.get(job.id)).state == "cancelled"
        assert models.calls["film"] == 1

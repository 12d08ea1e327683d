"""Jobs, for every implementation of `Studio`: over HTTP and in this process."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import dataset as ds
from pyarrow import parquet as pq

from clients.python.dataset import export
from clients.python.studio import Studio
from pipeline.contracts import VideoRequest
from pipeline.contracts.states import ENDED
from pipeline.errors import Conflict, NotFound
from pipeline.jobs.usage import COLUMNS

LONG = "This sentence is said again and again, so that there is time to stop it. " * 40


def small(text: str, photo: bytes, **fields: Any) -> VideoRequest:
    return VideoRequest(text=text, portrait=photo, size=128, fps=10, **fields)


def test_a_job_is_followed_step_by_step(studio: Studio, photo: bytes) -> None:
    asked = studio.render(small("Hello there.", photo, priority=7))
    states = list(studio.watch_job(asked.id))
    assert {job.id for job in states} == {asked.id}
    assert [job.progress for job in states] == sorted(job.progress for job in states)
    assert [job.state in ENDED for job in states] == [False] * (len(states) - 1) + [True]
    last = states[-1]
    assert (last.state, last.progress, last.priority) == ("completed", 100, 7)
    assert last.result is not None
    assert last.result == studio.wait(asked.id).result
    assert {step.kind for step in last.steps} >= {"speak", "locate", "film"}
    for step in last.steps:
        assert step.state == "completed", step
        assert len(step.key or "") == len(step.artifact or "") == 64
    assert studio.job(asked.id) == last
    assert list(studio.watch_job(asked.id)) == [last]
    listed = studio.jobs(5, states=("completed",))
    assert listed[0] == last.model_copy(update={"steps": ()})
    assert asked.id not in [job.id for job in studio.jobs(100, states=("failed", "cancelled"))]
    assert asked.id not in [job.id for job in studio.jobs(100, asked.id)]
    with pytest.raises(Conflict):
        studio.retry_job(asked.id)
    studio.delete_job(asked.id)
    for ask in (studio.job, studio.cancel_job, studio.retry_job, studio.delete_job, studio.video):
        with pytest.raises(NotFound):
            ask(asked.id)
    with pytest.raises(NotFound):
        next(studio.watch_job(asked.id))


def test_what_was_made_once_is_cached(studio: Studio, photo: bytes) -> None:
    request = small("The same again.", photo, seed=8)
    *_, first = studio.watch_job(studio.render(request).id)
    *_, again = studio.watch_job(studio.render(request).id)
    assert first.id != again.id
    assert all(step.cached for step in again.steps), again.steps
    assert first.result is not None
    assert again.result is not None
    assert again.result.sha256 == first.result.sha256
    for job in (first, again):
        studio.delete_job(job.id)


def test_a_key_is_one_job(studio: Studio, photo: bytes) -> None:
    key = f"test-{type(studio).__name__}"
    asked = studio.render(small("Once.", photo), key)
    assert studio.render(small("Once.", photo), key).id == asked.id
    with pytest.raises(Conflict) as other:
        studio.render(small("Twice.", photo), key)
    assert other.value.code == "idempotency_conflict"
    studio.wait(asked.id)
    studio.delete_job(asked.id)


def test_a_job_is_stopped(studio: Studio, photo: bytes) -> None:
    asked = studio.render(small(LONG, photo))
    with closing(studio.watch_job(asked.id)) as states:
        assert next(states).state not in ENDED
        assert studio.cancel_job(asked.id).state == "cancelled"
        *_, last = states
    assert last.state == "cancelled"
    assert not {step.state for step in last.steps} & {"in_progress", "assigned", "pending"}
    with pytest.raises(Conflict) as again:
        studio.cancel_job(asked.id)
    assert again.value.code == "already_ended"
    studio.delete_job(asked.id)


def test_events_of_one_job_and_of_all(studio: Studio, photo: bytes) -> None:
    asked = studio.render(small("Events.", photo))
    studio.wait(asked.id)
    seen = []
    with closing(studio.events(after=0, job=asked.id)) as events:
        for event in events:
            seen.append(event)
            if event.type == "task.completed":
                break
    assert {event.task_id for event in seen} == {asked.id}
    assert [event.id for event in seen] == sorted({event.id for event in seen})
    assert [event.type for event in seen if event.type != "task.progress"] == [
        "task.queued",
        "task.started",
        "task.completed",
    ]
    with closing(studio.events(after=seen[-2].id)) as events:
        assert next(events) == seen[-1]
    studio.delete_job(asked.id)


def test_usage(studio: Studio, photo: bytes, tmp_path: Path) -> None:
    asked = studio.render(small("What it took.", photo))
    made = studio.wait(asked.id).result
    assert made is not None
    table = pq.read_table(io.BytesIO(b"".join(studio.usage("jobs"))))
    assert table.schema.names == list(COLUMNS["jobs"])
    rows = {row["job"]: row for row in table.to_pylist()}
    assert (rows[asked.id]["bytes"], rows[asked.id]["frames"]) == (made.bytes, made.frames)
    assert (
        pq.read_table(io.BytesIO(b"".join(studio.usage("jobs", datetime.now(UTC) + timedelta(days=1))))).num_rows == 0
    )
    export(studio, tmp_path)
    studio.delete_job(asked.id)
    export(studio, tmp_path)
    steps = ds.dataset(tmp_path / "steps", partitioning="hive").to_table().to_pylist()
    assert {row["kind"] for row in steps if row["job"] == asked.id} >= {"speak", "locate", "film"}

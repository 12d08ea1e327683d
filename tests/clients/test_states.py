"""The states of a job from its events and looks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.python import states
from clients.python.states import job_states
from pipeline.contracts import Event, EventType, Job
from tests.clients.standin import ID, NOW


def job(**fields: object) -> Job:
    return Job.model_validate({"id": ID, "state": "in_progress", "created_at": NOW} | fields)


def event(type: EventType, **data: object) -> Event:
    return Event(id=1, type=type, task_id=ID, at=NOW, data=data)


@pytest.fixture(params=[0.0, 1e9], ids=["always due", "never due"])
def pace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "LOOK_SECONDS", request.param)


def seen(looks: list[Job], news: list[Event | None]) -> list[Job]:
    there: Iterator[Job] = iter(looks)
    return list(job_states(lambda: next(there), news))


def test_progress_alone_needs_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "LOOK_SECONDS", 1e9)
    first = job(progress=10, message="filming", frames_total=50)
    news = [None, *(event("task.progress", percent=p, message="filming", frames_made=p // 2) for p in (20, 15, 40))]
    found = seen([first], news)
    assert [(j.progress, j.frames_made, j.frames_total) for j in found] == [(10, 0, 50), (20, 10, 50), (40, 20, 50)]


def test_another_message_is_worth_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "LOOK_SECONDS", 1e9)
    looks = [job(message="speaking"), job(message="filming", progress=50)]
    assert seen(looks, [None, event("task.progress", percent=50, message="filming")]) == looks


def test_the_end_is_the_last(pace: None) -> None:
    looks = [job(), job(state="completed", progress=100)]
    assert seen(looks, [None, event("task.completed"), event("task.deleted")]) == looks


def test_the_same_state_is_not_told_twice(pace: None) -> None:
    looks = [job(), job(), job(state="failed")]
    assert seen(looks, [None, event("task.started"), None]) == [looks[0], looks[2]]


def test_progress_goes_back_only_with_a_retry(pace: None) -> None:
    looks = [job(progress=50, frames_made=5), job(progress=30, frames_made=3), job(progress=0, attempt=2)]
    assert seen(looks, [None, None, event("task.queued")]) == [looks[0], looks[2]]

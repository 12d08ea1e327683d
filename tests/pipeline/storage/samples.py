"""Jobs to store."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.contracts import VideoFacts
from pipeline.contracts.jobs import Job, Step, TaskState
from pipeline.contracts.states import FOLLOWING
from pipeline.ids import new_id
from pipeline.storage import jobs

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
A, B, C, D = (letter * 64 for letter in "abcd")
FACTS = VideoFacts(
    seconds=2.0,
    frames=50,
    fps=25.0,
    size=256,
    width=256,
    height=256,
    format="mp4",
    bytes=1234,
    sha256=D,
    timings={"total": 1.5},
    backends={"voice": "espeak"},
)


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def new_job(**fields):
    steps = (Step(name="speak.0001", kind="speak"), Step(name="locate", kind="locate"), Step(name="film", kind="film"))
    values: dict[str, Any] = {"id": new_id("vid"), "state": "pending", "created_at": NOW, "steps": steps}
    return Job(**values | fields)


def add(c, job=None, **fields):
    given: dict[str, Any] = {
        "request": {},
        "plan": {},
        "digest": A,
        "uploads": (),
        "key": None,
        "webhook": None,
        "limit": 100,
    } | fields
    return jobs.add(c, job or new_job(), **given)


def path(state: TaskState) -> tuple[TaskState, ...]:
    """States that lead from pending to `state`, without the first."""
    paths: dict[TaskState, tuple[TaskState, ...]] = {"pending": ()}
    while state not in paths:
        for reached, way in list(paths.items()):
            for next_ in sorted(FOLLOWING[reached]):
                paths.setdefault(next_, (*way, next_))
    return paths[state]


def run_to(c, id, *states: TaskState):
    for number, state in enumerate(states, start=1):
        jobs.move(c, id, state, at=later(number))
    return jobs.get(c, id)

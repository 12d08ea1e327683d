"""Steps of jobs in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from types import EllipsisType
from typing import Any, Final

from sqlalchemy import Connection, Update, bindparam, select

from pipeline.contracts.jobs import Step, TaskState
from pipeline.contracts.resources import ErrorBody
from pipeline.contracts.states import ENDED, FOLLOWING
from pipeline.errors import Conflict, NotFound
from pipeline.storage.schema import STATES, jobs, steps

_SHOWN = [steps.c[name] for name in Step.model_fields]

# Statements that every step of every job runs are made once: to make one takes SQLAlchemy longer than to run it.
_OF: Final = select(*_SHOWN).where(steps.c.job_id == bindparam("job")).order_by(steps.c.position)


def before(state: TaskState) -> list[TaskState]:
    """The states that `state` may follow, and itself: staying is no transition."""
    return [earlier for earlier in STATES if state in FOLLOWING[earlier] or earlier == state]


def of(c: Connection, job_id: str) -> tuple[Step, ...]:
    """In their order; none where there is no such job."""
    return tuple(Step.model_validate(dict(row)) for row in c.execute(_OF, {"job": job_id}).mappings())


def get(c: Connection, job_id: str, name: str) -> Step:
    """Raises `NotFound` (step)."""
    query = select(*_SHOWN).where(steps.c.job_id == job_id, steps.c.name == name)
    row = c.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFound(f"Job {job_id[:60]!r} has no step {name[:100]!r}.", field="step")
    return Step.model_validate(dict(row))


def add(c: Connection, job_id: str, added: Sequence[Step]) -> None:
    """The steps of a new job, in order; all pending."""
    rows = [
        step.model_dump(mode="python") | {"job_id": job_id, "position": position} for position, step in enumerate(added)
    ]
    if rows:
        c.execute(steps.insert(), rows)


def update(
    c: Connection,
    job_id: str,
    name: str,
    *,
    state: TaskState | None = None,
    attempts: int | None = None,
    backend: str | None = None,
    key: str | None = None,
    artifact: str | None = None,
    cached: bool | None = None,
    started_at: datetime | None = None,
    completed_at: datetime | None = None,
    error: ErrorBody | EllipsisType | None = ...,
) -> None:
    """Changes what is given; `error=None` takes the error away.

    A state may be given again. Raises `NotFound` (step) and `Conflict` (`illegal_transition`).
    """
    given = {
        "state": state,
        "attempts": attempts,
        "backend": backend,
        "key": key,
        "artifact": artifact,
        "cached": cached,
        "started_at": started_at,
        "completed_at": completed_at,
    }
    values: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
    if not isinstance(error, EllipsisType):
        values["error"] = error and error.model_dump(mode="json")
    if not values:
        return
    named = {f"to_{column}": value for column, value in values.items()}
    if not c.execute(_change(tuple(values), state), named | {"job": job_id, "step": name}).rowcount:
        is_ = get(c, job_id, name).state
        raise Conflict(
            f"Step {name} of job {job_id} is {is_} and can't become {state}.",
            code="illegal_transition",
            field="state",
            accepted=", ".join(sorted(FOLLOWING[is_])) or "nothing: it has ended",
        )


@lru_cache(maxsize=256)
def _change(columns: tuple[str, ...], state: TaskState | None) -> Update:
    change = steps.update().where(steps.c.job_id == bindparam("job"), steps.c.name == bindparam("step"))
    if state is not None:
        change = change.where(steps.c.state.in_(before(state)))
    return change.values({name: bindparam(f"to_{name}", type_=steps.c[name].type) for name in columns})


def block(c: Connection, job_id: str, names: Collection[str]) -> None:
    """Something that these steps need failed. Steps that have ended stay as they are."""
    if names:
        change = steps.update().where(steps.c.job_id == job_id, steps.c.name.in_(names))
        c.execute(change.where(steps.c.state.in_(before("blocked"))).values(state="blocked"))


def cancel(c: Connection, job_id: str, at: datetime) -> None:
    """Ends every step that has not ended, and those that were blocked, because the job was cancelled."""
    change = steps.update().where(steps.c.job_id == job_id, steps.c.state.in_(_cancellable()))
    c.execute(change.values(state="cancelled", completed_at=at))


def retry(c: Connection, job_id: str) -> None:
    """Everything that was not completed waits again, as if it had never been tried; attempts go on being counted."""
    theirs = steps.c.job_id == job_id
    # A cancelled step stays cancelled: what takes its place is a new one.
    again = c.execute(steps.delete().where(theirs, steps.c.state == "cancelled").returning(*steps.c)).mappings().all()
    fresh: dict[str, Any] = {"state": "pending", "started_at": None, "completed_at": None, "error": None}
    if again:
        c.execute(steps.insert(), [dict(row) | fresh for row in again])
    c.execute(steps.update().where(theirs, steps.c.state.in_(before("pending"))).values(fresh))


def recover(c: Connection) -> None:
    """Steps of jobs that have not ended, and that a process was doing which died, wait again."""
    living = select(jobs.c.id).where(jobs.c.state.notin_(ENDED))
    working = steps.c.state.in_(("assigned", "in_progress"))
    c.execute(steps.update().where(working, steps.c.job_id.in_(living)).values(state="pending"))


def _cancellable() -> list[TaskState]:
    return [state for state in before("cancelled") if state != "cancelled"]

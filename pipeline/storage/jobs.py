"""Jobs in the database: accepted once, moved only as `FOLLOWING` allows, with their steps and what they need.

Every function is part of the caller's transaction, which `Database.run` may do again: each can be repeated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, RowMapping, bindparam, case, func, select, union_all

from pipeline.contracts.jobs import Job, JobKind, TaskState
from pipeline.contracts.resources import ErrorBody, VideoFacts
from pipeline.contracts.states import ENDED, FOLLOWING
from pipeline.errors import Busy, Conflict, InvalidRequest, NotFound
from pipeline.ids import is_id
from pipeline.storage import events, steps
from pipeline.storage.locks import Lock, hold
from pipeline.storage.schema import STATES, jobs, pins, requests
from pipeline.storage.upsert import insert_missing

_SHOWN = [jobs.c[name] for name in Job.model_fields if name in jobs.c]
_UNFINISHED: list[TaskState] = [state for state in STATES if state not in ENDED]
_DIGEST = re.compile(r"[0-9a-f]{64}")

# Statements that every job runs often are made once: to make one takes SQLAlchemy longer than to run it.
_GET: Final = select(*_SHOWN).where(jobs.c.id == bindparam("job"))
_PROGRESS: Final = (
    jobs.update()
    .where(
        jobs.c.id == bindparam("job"),
        jobs.c.state.in_(("assigned", "in_progress")),
        jobs.c.progress <= bindparam("percent"),
    )
    .values(
        progress=bindparam("percent"),
        message=bindparam("said"),
        frames_made=bindparam("made"),
        frames_total=bindparam("total"),
    )
)


def add(
    c: Connection,
    job: Job,
    *,
    request: dict[str, Any],
    plan: dict[str, Any],
    digest: str,
    uploads: Sequence[str],
    key: str | None,
    webhook: str | None,
    limit: int,
) -> Job:
    """Accepts a job, pending, with its steps and the event `task.queued`; gives it as it is in the database.

    `digest` is that of the request. `uploads` are kept as long as the job, and so is every artifact that `plan`
    names. Where `key` (the client's Idempotency-Key) or the job's id was used for the same request, the job of then
    is given, as it is now; for another request `Conflict` (`idempotency_conflict`) is raised. Where `limit` jobs are
    pending, `Busy` (`queue_full`) is.
    """
    hold(c, Lock.EVENTS)  # counting, looking for the key and inserting have to be one
    own = requests.c.job_id == job.id
    earlier = _accepted(c, own if key is None else own | (requests.c.key == key), digest)
    if earlier is not None:
        return earlier
    if _count(c, "pending") >= limit:
        raise Busy(f"{limit} jobs are waiting already.", code="queue_full", retry_after=_next_turn(c))
    row = job.model_dump(mode="python", include={column.name for column in _SHOWN}, exclude={"error", "result"})
    c.execute(jobs.insert().values(row | {"ulid": job.id.partition("_")[2]}))
    c.execute(
        requests.insert().values(job_id=job.id, key=key, digest=digest, webhook=webhook, request=request, plan=plan)
    )
    steps.add(c, job.id, job.steps)
    _pin(c, job.id, {*uploads, *_digests(plan)})
    events.append(c, "task.queued", job.id, job.created_at, {"task_id": job.id, "type": job.kind})
    return get(c, job.id)


def keyed(c: Connection, key: str, digest: str) -> Job | None:
    """The job that was accepted with this Idempotency-Key, None where there is none.

    Raises `Conflict` (`idempotency_conflict`) where its request had another digest.
    """
    return _accepted(c, requests.c.key == key, digest)


def get(c: Connection, id: str) -> Job:
    """With its steps. Raises `NotFound` (id)."""
    row = c.execute(_GET, {"job": id}).mappings().one_or_none()
    if row is None:
        raise _missing(id)
    return _job(row, steps=steps.of(c, id))


def page(
    c: Connection,
    limit: int,
    after: str | None = None,
    kind: JobKind | None = None,
    states: Collection[TaskState] = (),
) -> list[Job]:
    """At most `limit` jobs without their steps, newest first, older than the job `after`, which need not be there any
    more. No `states` are all states. Raises `InvalidRequest` (after) where that is not an id."""
    conditions: list[ColumnElement[bool]] = []
    if after is not None:
        prefix, _, ulid = after.partition("_")
        if not is_id(prefix, after):
            raise InvalidRequest(f"{after[:60]!r} is not the id of a job.", field="after", accepted="an id of a job")
        conditions.append(jobs.c.ulid < ulid)
    if kind is not None:
        conditions.append(jobs.c.kind == kind)
    newest = jobs.c.ulid.desc()
    if not states:
        query = select(*_SHOWN).where(*conditions).order_by(newest).limit(limit)
        return [_job(row) for row in c.execute(query).mappings()]
    # Each state's newest come straight from an index; sorting jobs of several states would read all of them.
    parts = [
        select(select(jobs.c.ulid).where(*conditions, jobs.c.state == state).order_by(newest).limit(limit).subquery())
        for state in dict.fromkeys(states)
    ]
    chosen = union_all(*parts).subquery()
    query = select(*_SHOWN).join_from(chosen, jobs, chosen.c.ulid == jobs.c.ulid).order_by(newest).limit(limit)
    return [_job(row) for row in c.execute(query).mappings()]


def counts(c: Connection) -> dict[TaskState, int]:
    """Jobs in each state, also where there are none."""
    found = {
        row.state: row.n for row in c.execute(select(jobs.c.state, func.count().label("n")).group_by(jobs.c.state))
    }
    return {state: found.get(state, 0) for state in STATES}


def plan(c: Connection, id: str) -> dict[str, Any]:
    """What was planned when the job was accepted. Raises `NotFound` (id)."""
    return _asked(c, id, requests.c.plan)


def request(c: Connection, id: str) -> dict[str, Any]:
    """What was asked for. Raises `NotFound` (id)."""
    return _asked(c, id, requests.c.request)


def webhook(c: Connection, id: str) -> str | None:
    """Where its events are to be sent, if anywhere. Raises `NotFound` (id)."""
    return _asked(c, id, requests.c.webhook)


def unfinished(c: Connection) -> list[tuple[str, int, TaskState]]:
    """Id, priority and state of every job that has not ended: the highest priority first, then the oldest."""
    query = select(jobs.c.id, jobs.c.priority, jobs.c.state).where(jobs.c.state.in_(_UNFINISHED))
    return [(row.id, row.priority, row.state) for row in c.execute(query.order_by(jobs.c.priority.desc(), jobs.c.ulid))]


def move(
    c: Connection,
    id: str,
    state: TaskState,
    *,
    at: datetime,
    message: str | None = None,
    error: ErrorBody | None = None,
    result: VideoFacts | None = None,
    progress: float | None = None,
    frames_made: int | None = None,
    frames_total: int | None = None,
) -> None:
    """Puts the job into `state` at the time `at`, with what else is given.

    The first time it is in progress or completed it has started; the first time it has ended it is complete at
    `at`. Progress never gets less, and a completed job's is 100. The artifact of `result` is kept as long as the job.
    The state that it is in may be given again and changes only what else is given. Raises `NotFound` (id) and
    `Conflict` (`illegal_transition`).
    """
    given = {"message": message, "frames_made": frames_made, "frames_total": frames_total}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None} | {"state": state}
    if error is not None:
        values["error"] = error.model_dump(mode="json")
    if result is not None:
        values["result"] = result.model_dump(mode="json")
    if state == "completed":
        progress = 100.0
    if progress is not None:
        values["progress"] = case((jobs.c.progress < progress, progress), else_=jobs.c.progress)
    if state in ("in_progress", "completed"):
        values["started_at"] = func.coalesce(jobs.c.started_at, at)
    if state in ENDED:
        values["completed_at"] = func.coalesce(jobs.c.completed_at, at)
    change = jobs.update().where(jobs.c.id == id, jobs.c.state.in_(steps.before(state))).values(values)
    if not c.execute(change).rowcount:
        is_ = get(c, id).state
        raise Conflict(
            f"Job {id} is {is_} and can't become {state}.",
            code="illegal_transition",
            field="state",
            accepted=", ".join(sorted(FOLLOWING[is_])) or "nothing: it has ended",
        )
    if result is not None:
        _pin(c, id, {result.sha256})


def progress(c: Connection, id: str, percent: float, message: str, frames_made: int, frames_total: int | None) -> bool:
    """Says how far a job is that is being worked on. False, and nothing changed, where it is further already, is not
    being worked on any more, or is gone."""
    values = {"job": id, "percent": percent, "said": message, "made": frames_made, "total": frames_total}
    return c.execute(_PROGRESS, values).rowcount > 0


def retry(c: Connection, id: str) -> Job:
    """A failed job, and every step of it that was not completed, waits again: the next attempt, with progress from 0.

    Raises `NotFound` (id) and `Conflict` (`not_failed`).
    """
    fresh = {"started_at": None, "completed_at": None, "error": None, "message": "", "progress": 0.0, "frames_made": 0}
    change = jobs.update().where(jobs.c.id == id, jobs.c.state == "failed")
    if not c.execute(change.values(state="pending", attempt=jobs.c.attempt + 1, **fresh)).rowcount:
        raise Conflict(
            f"Job {id} is {get(c, id).state}; only a failed job can be tried again.",
            code="not_failed",
            field="id",
            accepted="a failed job",
        )
    steps.retry(c, id)
    return get(c, id)


def recover(c: Connection) -> list[str]:
    """Jobs that a process was doing which died wait again, and so do their steps; gives their ids, in the order of
    `unfinished`. To be called before any new work is begun."""
    ids = [id for id, _, state in unfinished(c) if state in ("assigned", "in_progress")]
    working = jobs.c.state.in_(("assigned", "in_progress"))
    c.execute(jobs.update().where(working).values(state="pending"))
    steps.recover(c)
    return ids


def delete(c: Connection, id: str) -> None:
    """Takes away the job with everything that only it has: steps, request, pins, deliveries. Its events stay.

    Raises `NotFound` (id).
    """
    if not c.execute(jobs.delete().where(jobs.c.id == id)).rowcount:
        raise _missing(id)


def _accepted(c: Connection, which: ColumnElement[bool], digest: str) -> Job | None:
    found = c.execute(select(requests.c.job_id, requests.c.digest).where(which)).one_or_none()
    if found is None:
        return None
    if found.digest != digest:
        raise Conflict(
            f"This key was used for another request; its job is {found.job_id}.",
            code="idempotency_conflict",
            field="Idempotency-Key",
            accepted="the same request again, or another key",
        )
    return get(c, found.job_id)


def _asked(c: Connection, id: str, column: Column[Any]) -> Any:
    row = c.execute(select(column).where(requests.c.job_id == id)).one_or_none()
    if row is None:
        raise _missing(id)
    return row[0]


def _missing(id: str) -> NotFound:
    return NotFound(f"There is no job {id[:60]!r}.", field="id", accepted="the id of a job")


def _job(row: RowMapping, **more: Any) -> Job:
    return Job.model_validate(dict(row) | more)


def _count(c: Connection, state: TaskState) -> int:
    return c.execute(select(func.count()).select_from(jobs).where(jobs.c.state == state)).scalar_one()


def _next_turn(c: Connection) -> float:
    """Seconds until one of the waiting jobs is likely to be taken: how long the last ten took, over how many are
    worked on at once; 1 to 300, and 10 where nothing is known."""
    recent = select(jobs.c.started_at, jobs.c.completed_at).where(jobs.c.state == "completed")
    rows = c.execute(recent.order_by(jobs.c.ulid.desc()).limit(10)).all()
    took = [(row.completed_at - row.started_at).total_seconds() for row in rows]
    at_once = max(1, _count(c, "in_progress"))
    return min(300.0, max(1.0, round(sum(took) / len(took) / at_once, 1))) if took else 10.0


def _pin(c: Connection, id: str, digests: Collection[str]) -> None:
    insert_missing(c, pins, [{"job_id": id, "digest": digest} for digest in sorted(digests)])


def _digests(value: object) -> Iterator[str]:
    """Everything within a plan that reads like a digest."""
    if isinstance(value, str):
        if _DIGEST.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _digests(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _digests(item)

"""What jobs and steps took, as rows for analysis: nothing in them that anybody said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, select, tuple_

from pipeline.contracts.jobs import UsageTable
from pipeline.contracts.resources import VideoFacts
from pipeline.storage.database import Database
from pipeline.storage.schema import jobs, nodes, steps

_JOBS: Final = ("kind", "state", "priority", "attempt", "created_at", "started_at", "completed_at")
_STEPS: Final = ("kind", "state", "attempts", "backend", "cached", "started_at", "completed_at")
_RESULT: Final = ("format", "size", "fps", "frames", "seconds", "bytes")


def rows(
    database: Database, table: UsageTable, since: datetime | None = None, batch: int = 1000
) -> Iterator[list[dict[str, Any]]]:
    """Rows of the table in lists of at most `batch`, the oldest job first, of jobs made at `since` or later.

    Each list is read in a transaction of its own, so nobody waits for whoever reads slowly, and what is made or
    removed meanwhile may or may not be among them. Columns are those of `pipeline.jobs.usage`.
    """
    query = _jobs() if table == "jobs" else _steps()
    order = [jobs.c.ulid] if table == "jobs" else [jobs.c.ulid, steps.c.position]
    if since is not None:
        query = query.where(jobs.c.created_at >= since)
    after: tuple[Any, ...] | None = None
    while True:
        page = query if after is None else query.where(tuple_(*order) > tuple_(*after))
        found = database.read(lambda c, page=page: _all(c, page.order_by(*order).limit(batch)))
        if found:
            yield [_job(row) if table == "jobs" else _step(row) for row in found]
        if len(found) < batch:
            return
        after = tuple(found[-1][column.name] for column in order)


def _all(c: Connection, query: Select[*tuple[Any, ...]]) -> list[RowMapping]:
    return list(c.execute(query).mappings())


def _jobs() -> Select[*tuple[Any, ...]]:
    return select(jobs.c.id, jobs.c.ulid, *(jobs.c[name] for name in _JOBS), jobs.c.error, jobs.c.result)


def _steps() -> Select[*tuple[Any, ...]]:
    return (
        select(jobs.c.id, jobs.c.ulid, steps.c.position, steps.c.name, jobs.c.created_at)
        .add_columns(*(steps.c[name] for name in _STEPS), steps.c.error, nodes.c.seconds, nodes.c.size)
        .join_from(jobs, steps, steps.c.job_id == jobs.c.id)
        .outerjoin(nodes, nodes.c.key == steps.c.key)
    )


def _job(row: RowMapping) -> dict[str, Any]:
    result = row["result"] and VideoFacts.model_validate(row["result"])
    facts = {name: getattr(result, name) if result else None for name in _RESULT}
    return {"job": row["id"], **{name: row[name] for name in _JOBS}, "error": _code(row), **facts}


def _step(row: RowMapping) -> dict[str, Any]:
    """Seconds and bytes are those of the node, whoever made it; unknown once it was forgotten."""
    names = {"job": row["id"], "step": row["name"], "created_at": row["created_at"]}
    made = {"seconds": row["seconds"], "bytes": row["size"]}
    return names | {name: row[name] for name in _STEPS} | {"error": _code(row)} | made


def _code(row: RowMapping) -> str | None:
    return row["error"] and row["error"]["code"]

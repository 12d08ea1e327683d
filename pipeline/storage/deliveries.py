"""Webhooks that are to be sent, and those that were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, func, select

from pipeline.errors import NotFound
from pipeline.ids import new_id
from pipeline.storage.schema import deliveries
from pipeline.storage.upsert import insert_missing

DeliveryState = Literal["due", "delivered", "given_up"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one URL."""

    id: str
    """`msg_` and 26 characters: the same at every attempt, so that who receives it can tell a repetition."""
    job_id: str
    event_id: int
    url: str
    body: str
    """As it is sent: a signature is over these characters in UTF-8."""
    state: DeliveryState
    attempts: int
    """Attempts that are over."""
    created_at: datetime
    due_at: datetime
    """When it is to be sent; once it was delivered or given up, when that was."""
    error: str | None
    """Why the last attempt failed."""


def add(c: Connection, job_id: str, event_id: int, url: str, body: str, at: datetime | None = None) -> Delivery:
    """To be sent from `at` (now) on. An event goes to a URL once: the same again gives the first."""
    at = at or datetime.now(UTC)
    row = {
        "id": new_id("msg"),
        "job_id": job_id,
        "event_id": event_id,
        "url": url,
        "body": body,
        "state": "due",
        "attempts": 0,
        "created_at": at,
        "due_at": at,
        "error": None,
    }
    insert_missing(c, deliveries, [row])
    query = select(deliveries).where(deliveries.c.event_id == event_id, deliveries.c.url == url)
    return Delivery(**c.execute(query).mappings().one())


def get(c: Connection, id: str) -> Delivery:
    """Raises `NotFound` (id)."""
    row = c.execute(select(deliveries).where(deliveries.c.id == id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no delivery {id[:60]!r}.", field="id")
    return Delivery(**row)


def of(c: Connection, job_id: str) -> list[Delivery]:
    """Every delivery of a job, the oldest first."""
    query = select(deliveries).where(deliveries.c.job_id == job_id).order_by(deliveries.c.id)
    return [Delivery(**row) for row in c.execute(query).mappings()]


def due(c: Connection, now: datetime, limit: int) -> list[Delivery]:
    """At most `limit` that should have been sent by `now`, the longest overdue first."""
    late = select(deliveries).where(deliveries.c.state == "due", deliveries.c.due_at <= now)
    return [Delivery(**row) for row in c.execute(late.order_by(deliveries.c.due_at).limit(limit)).mappings()]


def next_due(c: Connection) -> datetime | None:
    """When there is something to send next; None where nothing is waiting."""
    return c.execute(select(func.min(deliveries.c.due_at)).where(deliveries.c.state == "due")).scalar()


def delivered(c: Connection, id: str, at: datetime | None = None) -> None:
    """It arrived at `at` (now). One that has ended, or is gone with its job, stays as it is; so below."""
    _close(c, id, state="delivered", due_at=at or datetime.now(UTC), error=None)


def postpone(c: Connection, id: str, until: datetime, error: str) -> None:
    """An attempt failed; the next is not before `until`."""
    _close(c, id, due_at=until, error=error)


def give_up(c: Connection, id: str, error: str, at: datetime | None = None) -> None:
    """The last attempt failed at `at` (now)."""
    _close(c, id, state="given_up", due_at=at or datetime.now(UTC), error=error)


def _close(c: Connection, id: str, **values: Any) -> None:
    change = deliveries.update().where(deliveries.c.id == id, deliveries.c.state == "due")
    c.execute(change.values(attempts=deliveries.c.attempts + 1, **values))

"""What happened to jobs, in order: written with the change itself, read by listeners from where they stopped."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from pipeline.contracts.jobs import Event, EventType
from pipeline.storage.locks import Lock, hold
from pipeline.storage.schema import events

_APPEND: Final = events.insert().returning(events.c.id)
_SINCE: Final = select(events).where(events.c.id > bindparam("after")).order_by(events.c.id).limit(bindparam("most"))
_SINCE_OF: Final = _SINCE.where(events.c.task_id == bindparam("task"))
"""Made once: to make a statement takes SQLAlchemy longer than to run it."""


def append(c: Connection, type: EventType, task_id: str, at: datetime, data: Mapping[str, Any]) -> Event:
    """Writes an event. Ids rise, also across restarts, none is given twice, and they become visible in order: whoever
    has seen one has seen every smaller one. For that the writers of events take turns until they commit, so append
    late in a transaction."""
    hold(c, Lock.EVENTS)
    values = {"type": type, "task_id": task_id, "at": at, "data": dict(data)}
    number = c.execute(_APPEND, values).scalar_one()
    return Event(id=number, **values)


def since(c: Connection, after: int, task_id: str | None = None, limit: int = 1000) -> list[Event]:
    """Events with ids past `after`, the oldest first, of one job or of all."""
    bounds = {"after": after, "most": limit}
    found = c.execute(_SINCE, bounds) if task_id is None else c.execute(_SINCE_OF, bounds | {"task": task_id})
    return [Event.model_validate(dict(row)) for row in found.mappings()]


def last(c: Connection) -> int:
    """Id of the newest event; 0 where there was none yet."""
    return c.execute(select(func.max(events.c.id))).scalar() or 0


def prune(c: Connection, before: datetime) -> int:
    """Removes events older than `before`, and says how many. The newest one stays, so that `last` never goes back."""
    newest = select(func.max(events.c.id)).scalar_subquery()
    return c.execute(events.delete().where(events.c.at < before, events.c.id < newest)).rowcount

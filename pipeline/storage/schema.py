"""The tables of durable jobs, as they are now. `migrations/` says how a database of an earlier release gets here.

jobs 1─1 requests     what was asked for and what was planned: written once, never read by a list
 │  1─* steps         one row a node of the graph
 │  1─* pins          artifacts that the job keeps from being collected
 │  1─* deliveries    webhooks that were sent or are to be
nodes                 what was made, by content key: shared by all jobs
events                what happened, in order; outlive their job
"""

from __future__ import annotations

import typing
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from pipeline.contracts.jobs import TaskState
from pipeline.contracts.states import FOLLOWING
from pipeline.storage import triggers

HEAD: Final = "0001"
"""The revision in `migrations/versions` that these tables are."""

STATES: Final[tuple[TaskState, ...]] = typing.get_args(TaskState)


class Moment(TypeDecorator[datetime]):
    """A time that knows its zone; kept and given back in UTC, to the microsecond. Naive times are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Compared by bytes on both servers: ids then sort by time, and lookups don't depend on the server's language.
_WORD: Final = String().with_variant(String(collation="C"), "postgresql")
# SQLite numbers rows only where the key's type is spelled so.
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")
_JSON: Final = JSON(none_as_null=True)

metadata: Final = MetaData(
    naming_convention={
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_unique",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_of_%(referred_table_name)s",
        "pk": "%(table_name)s_key",
    }
)


def _known_state() -> CheckConstraint:
    return CheckConstraint(f"state IN ({', '.join(repr(state) for state in sorted(STATES))})", name="state")


def _of_job(**options: Any) -> Column[str]:
    return Column("job_id", _WORD, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, **options)


jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", _WORD, primary_key=True),
    # The id without its prefix: sorts by age, whatever the kind.
    Column("ulid", _WORD, nullable=False, unique=True),
    Column("kind", _WORD, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("progress", Double, nullable=False),
    Column("message", Text, nullable=False),
    Column("frames_made", Integer, nullable=False),
    Column("frames_total", Integer),
    Column("priority", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("completed_at", Moment),
    Column("error", _JSON),
    Column("result", _JSON),
    _known_state(),
    CheckConstraint("progress >= 0 AND progress <= 100", name="progress"),
    # A page of any filter is read from one of these, newest first, without touching another row.
    Index(None, "state", "ulid"),
    Index(None, "kind", "ulid"),
    Index(None, "kind", "state", "ulid"),
)

requests: Final = Table(
    "requests",
    metadata,
    _of_job(primary_key=True),
    # The client's Idempotency-Key: at most one job each.
    Column("key", _WORD, unique=True),
    Column("digest", _WORD, nullable=False),
    Column("webhook", Text),
    Column("request", _JSON, nullable=False),
    Column("plan", _JSON, nullable=False),
)

steps: Final = Table(
    "steps",
    metadata,
    _of_job(primary_key=True),
    Column("name", _WORD, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("kind", _WORD, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("backend", _WORD),
    Column("key", _WORD),
    Column("artifact", _WORD),
    Column("cached", Boolean, nullable=False),
    Column("started_at", Moment),
    Column("completed_at", Moment),
    Column("error", _JSON),
    _known_state(),
)

pins: Final = Table("pins", metadata, _of_job(primary_key=True), Column("digest", _WORD, primary_key=True))

nodes: Final = Table(
    "nodes",
    metadata,
    Column("key", _WORD, primary_key=True),
    Column("kind", _WORD, nullable=False),
    Column("backend", _WORD, nullable=False),
    Column("artifact", _WORD, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("facts", _JSON, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False, index=True),
)

events: Final = Table(
    "events",
    metadata,
    Column("id", _NUMBER, primary_key=True),
    Column("type", _WORD, nullable=False),
    Column("task_id", _WORD, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    Column("data", _JSON, nullable=False),
    Index(None, "task_id", "id"),
    sqlite_autoincrement=True,  # an id is never given twice, also after the newest events were removed
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", _WORD, primary_key=True),
    _of_job(index=True),
    Column("event_id", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    # When it is to be sent; once it was sent or given up, when that was.
    Column("due_at", Moment, nullable=False),
    Column("error", Text),
    CheckConstraint("state IN ('due', 'delivered', 'given_up')", name="state"),
    UniqueConstraint("event_id", "url"),
    Index(None, "state", "due_at"),
)

owner: Final = Table(
    "owner",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Rises whenever somebody else takes over, so that whoever was before can tell.
    Column("epoch", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    CheckConstraint("id = 1", name="one"),
)


def create(c: Connection) -> None:
    """Everything above in an empty database, marked as being at `HEAD`."""
    metadata.create_all(c, checkfirst=False)
    c.execute(owner.insert().values(id=1, epoch=0, name=""))
    for table in ("jobs", "steps"):
        for statement in triggers.create(c.dialect.name, table, FOLLOWING):
            c.exec_driver_sql(statement)
    version = Table(
        "alembic_version",
        MetaData(),
        Column("version_num", String(32), nullable=False),
        PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    version.create(c)
    c.execute(version.insert().values(version_num=HEAD))


def revision(c: Connection) -> str | None:
    """What `migrations` have made of the database so far."""
    return c.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()

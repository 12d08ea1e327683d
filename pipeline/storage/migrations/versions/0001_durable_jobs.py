"""Durable jobs: the first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pipeline.storage import triggers

revision = "0001"
down_revision = None

WORD = sa.String().with_variant(sa.String(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)

FOLLOWING = {
    "pending": ("assigned", "blocked", "cancelled", "completed", "failed"),
    "assigned": ("blocked", "cancelled", "completed", "failed", "in_progress", "pending"),
    "in_progress": ("awaiting_review", "blocked", "cancelled", "completed", "failed", "pending"),
    "awaiting_review": ("cancelled", "completed", "failed", "in_progress"),
    "failed": ("pending",),
    "blocked": ("cancelled", "pending"),
    "completed": (),
    "cancelled": (),
}


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", WORD, nullable=False),
        sa.Column("ulid", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("frames_made", sa.Integer(), nullable=False),
        sa.Column("frames_total", sa.Integer()),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("completed_at", TIME),
        sa.Column("error", sa.JSON()),
        sa.Column("result", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="jobs_key"),
        sa.UniqueConstraint("ulid", name="jobs_ulid_unique"),
        _known_state("jobs"),
        sa.CheckConstraint("progress >= 0 AND progress <= 100", name="jobs_progress"),
    )
    op.create_index("jobs_by_state_ulid", "jobs", ["state", "ulid"])
    op.create_index("jobs_by_kind_ulid", "jobs", ["kind", "ulid"])
    op.create_index("jobs_by_kind_state_ulid", "jobs", ["kind", "state", "ulid"])
    op.create_table(
        "requests",
        sa.Column("job_id", WORD, nullable=False),
        sa.Column("key", WORD),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("webhook", sa.Text()),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="requests_key"),
        sa.UniqueConstraint("key", name="requests_key_unique"),
        _of_job("requests"),
    )
    op.create_table(
        "steps",
        sa.Column("job_id", WORD, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("backend", WORD),
        sa.Column("key", WORD),
        sa.Column("artifact", WORD),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("completed_at", TIME),
        sa.Column("error", sa.JSON()),
        sa.PrimaryKeyConstraint("job_id", "name", name="steps_key"),
        _known_state("steps"),
        _of_job("steps"),
    )
    op.create_table(
        "pins",
        sa.Column("job_id", WORD, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "digest", name="pins_key"),
        _of_job("pins"),
    )
    op.create_table(
        "nodes",
        sa.Column("key", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("backend", WORD, nullable=False),
        sa.Column("artifact", WORD, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="nodes_key"),
    )
    op.create_index("nodes_by_artifact", "nodes", ["artifact"])
    op.create_index("nodes_by_used_at", "nodes", ["used_at"])
    op.create_table(
        "events",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("type", WORD, nullable=False),
        sa.Column("task_id", WORD, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="events_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_at", "events", ["at"])
    op.create_index("events_by_task_id_id", "events", ["task_id", "id"])
    op.create_table(
        "deliveries",
        sa.Column("id", WORD, nullable=False),
        sa.Column("job_id", WORD, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="deliveries_key"),
        sa.UniqueConstraint("event_id", "url", name="deliveries_event_id_url_unique"),
        sa.CheckConstraint("state IN ('due', 'delivered', 'given_up')", name="deliveries_state"),
        _of_job("deliveries"),
    )
    op.create_index("deliveries_by_job_id", "deliveries", ["job_id"])
    op.create_index("deliveries_by_state_due_at", "deliveries", ["state", "due_at"])
    owner = op.create_table(
        "owner",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="owner_key"),
        sa.CheckConstraint("id = 1", name="owner_one"),
    )
    op.bulk_insert(owner, [{"id": 1, "epoch": 0, "name": ""}])
    connection = op.get_bind()
    for table in ("jobs", "steps"):
        for statement in triggers.create(connection.dialect.name, table, FOLLOWING):
            connection.exec_driver_sql(statement)


def _known_state(table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"state IN ({', '.join(repr(state) for state in sorted(FOLLOWING))})", name=f"{table}_state"
    )


def _of_job(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=f"{table}_job_id_of_jobs", ondelete="CASCADE")

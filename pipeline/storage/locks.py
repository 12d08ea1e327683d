"""Locks that Postgres keeps for us, by number. SQLite has one writer at a time and needs none of them."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import Connection, func, select


class Lock(IntEnum):
    """Numbers of advisory locks, one key space per database. "mpth" in ASCII, then a count, so that others who use
    the same database are unlikely to choose the same."""

    MIGRATIONS = 0x6D707468_0001
    """Changing the schema."""
    EVENTS = 0x6D707468_0002
    """Accepting jobs and writing events: whoever holds it until its transaction ends gets ids that become visible in
    order."""
    OWNER = 0x6D707468_0003
    """Being the coordinator of this database; held by a session."""


def hold(c: Connection, lock: Lock) -> None:
    """Waits for the lock and keeps it until the transaction ends. On SQLite a write transaction has it already."""
    if c.dialect.name == "postgresql":
        c.execute(select(func.pg_advisory_xact_lock(int(lock))))

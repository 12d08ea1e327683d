"""Inserts that leave alone what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(c: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows; those that a unique column or a key refuses are passed over, without an error."""
    if rows:
        c.execute(_insert(table, c.dialect.name), rows)


@lru_cache(maxsize=64)
def _insert(table: Table, dialect: str) -> Executable:
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return insert.on_conflict_do_nothing()

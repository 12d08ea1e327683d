"""Inserts that leave alone what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(c: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows; those that a unique column or a key refuses are passed over, without an error."""
    if rows:
        insert = postgresql.insert(table) if c.dialect.name == "postgresql" else sqlite.insert(table)
        c.execute(insert.on_conflict_do_nothing(), rows)

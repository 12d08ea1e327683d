"""Triggers that let a state be followed only by states that may follow it, made from a table of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, TypeVar

State = TypeVar("State", bound=str)

CODE: Final = "MP001"
"""SQLSTATE of a refused transition on Postgres; on SQLite it is a constraint failed in a trigger."""

FIRST: Final = "pending"
"""The state that every row begins in."""


def create(dialect: str, table: str, following: Mapping[State, Collection[State]]) -> Iterator[str]:
    """SQL statements that guard the column `state` of `table`. Nothing in them depends on the order of `following`."""
    if dialect == "postgresql":
        yield from _postgresql(table, following)
    else:
        yield from _sqlite(table, following)


def drop(dialect: str, table: str) -> Iterator[str]:
    """SQL statements that take the guard of `table` away, so that a migration can put up another."""
    if dialect == "postgresql":
        yield f"DROP TRIGGER {table}_state ON {table}"
        yield f"DROP FUNCTION {table}_state()"
    else:
        yield f"DROP TRIGGER {table}_state_first"
        yield f"DROP TRIGGER {table}_state"


def _sqlite(table: str, following: Mapping[State, Collection[State]]) -> Iterator[str]:
    yield (
        f"CREATE TRIGGER {table}_state_first BEFORE INSERT ON {table} "
        f"WHEN NEW.state <> '{FIRST}' BEGIN SELECT RAISE(ABORT, 'illegal transition'); END"
    )
    yield (
        f"CREATE TRIGGER {table}_state BEFORE UPDATE OF state ON {table} "
        f"WHEN NOT ({_legal(following)}) BEGIN SELECT RAISE(ABORT, 'illegal transition'); END"
    )


def _postgresql(table: str, following: Mapping[State, Collection[State]]) -> Iterator[str]:
    yield (
        f"CREATE FUNCTION {table}_state() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'INSERT' THEN IF NEW.state = '{FIRST}' THEN RETURN NEW; END IF; "
        f"ELSIF {_legal(following)} THEN RETURN NEW; END IF; "
        f"RAISE EXCEPTION USING ERRCODE = '{CODE}', MESSAGE = 'illegal transition'; END $$"
    )
    yield (
        f"CREATE TRIGGER {table}_state BEFORE INSERT OR UPDATE OF state ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_state()"
    )


def _legal(following: Mapping[State, Collection[State]]) -> str:
    """The condition that a change of a row fulfils; staying is no transition."""
    pairs = ["OLD.state = NEW.state"]
    for state in sorted(following):
        if following[state]:
            listed = ", ".join(f"'{next_}'" for next_ in sorted(following[state]))
            pairs.append(f"(OLD.state = '{state}' AND NEW.state IN ({listed}))")
    return " OR ".join(pairs)

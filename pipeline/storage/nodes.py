"""What was made, by content key: shared by all jobs, so that nothing is made twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from pipeline.storage.schema import nodes
from pipeline.storage.upsert import insert_missing

_BATCH = 500
"""Keys or digests in one statement."""

_FIND: Final = select(nodes).where(nodes.c.key == bindparam("key"))
"""Made once: to make a statement takes SQLAlchemy longer than to run it."""


@dataclass(frozen=True, slots=True)
class Made:
    """A node that was made."""

    key: str
    """Content key, 64 hex digits."""
    kind: str
    backend: str
    artifact: str
    """SHA-256 of what it made."""
    size: int
    """Bytes of it."""
    seconds: float
    """Wall time that making it took."""
    facts: dict[str, Any]
    """What the step said about it, as JSON."""
    created_at: datetime


def find(c: Connection, key: str) -> Made | None:
    row = c.execute(_FIND, {"key": key}).mappings().one_or_none()
    return row and Made(**{name: row[name] for name in Made.__dataclass_fields__})


def artifacts(c: Connection, keys: Collection[str]) -> dict[str, str]:
    """Digests of what was made, by key; without the keys of which nothing was."""
    found: dict[str, str] = {}
    for batch in _batches(keys):
        rows = c.execute(select(nodes.c.key, nodes.c.artifact).where(nodes.c.key.in_(batch)))
        found |= {row.key: row.artifact for row in rows}
    return found


def record(c: Connection, made: Made) -> None:
    """Keeps it, as used now. Where the key is there already, the first stays."""
    insert_missing(c, nodes, [asdict(made) | {"used_at": made.created_at}])


def forget(c: Connection, artifact: str) -> list[str]:
    """Takes away every node whose artifact this is, because that is damaged or gone; gives their keys."""
    return list(c.execute(nodes.delete().where(nodes.c.artifact == artifact).returning(nodes.c.key)).scalars())


def let_go(c: Connection, keys: Collection[str]) -> list[str]:
    """Takes away the nodes with these keys; gives those of their artifacts that are no other node's."""
    gone: set[str] = set()
    for batch in _batches(keys):
        gone |= set(c.execute(nodes.delete().where(nodes.c.key.in_(batch)).returning(nodes.c.artifact)).scalars())
    for batch in _batches(gone):
        gone -= set(c.execute(select(nodes.c.artifact).where(nodes.c.artifact.in_(batch))).scalars())
    return sorted(gone)


def touch(c: Connection, keys: Collection[str], at: datetime) -> None:
    """Says that they were used at `at`. Unknown keys are passed over, and a later use stays."""
    for batch in _batches(keys):
        c.execute(nodes.update().where(nodes.c.key.in_(batch), nodes.c.used_at < at).values(used_at=at))


def _batches(words: Collection[str]) -> Iterator[list[str]]:
    """In order, so that two who touch the same rows never wait for each other in a circle."""
    ordered = sorted(words)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]

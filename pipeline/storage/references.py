"""Which artifacts have to stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, select, union

from pipeline.storage.schema import nodes, pins, steps

_BATCH = 1000


def references(c: Connection, *, unused_since: datetime) -> Iterator[str]:
    """Digests, each once, in no order: what jobs were given, planned with and resulted in, what their steps made, and
    every node that was used at `unused_since` or later. What profiles and projects refer to is not known here.

    To be read to its end within the transaction.
    """
    query = union(
        select(pins.c.digest),
        select(steps.c.artifact).where(steps.c.artifact.is_not(None)),
        select(nodes.c.artifact).where(nodes.c.used_at >= unused_since),
    )
    yield from c.execute(query, execution_options={"yield_per": _BATCH}).scalars()

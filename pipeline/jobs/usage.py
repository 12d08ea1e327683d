"""What was done and what it took, as Parquet: jobs and their steps, with nothing in it that anybody said."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pipeline.contracts import UsageTable

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final[Mapping[UsageTable, Mapping[str, str]]] = {
    "jobs": {
        "job": "string",  # id
        "kind": "string",
        "state": "string",
        "priority": "int32",
        "attempt": "int32",
        "created_at": "time",
        "started_at": "time",
        "completed_at": "time",
        "error": "string",  # code
        "format": "string",
        "size": "int32",  # side, pixels
        "fps": "double",
        "frames": "int64",
        "seconds": "double",  # of the video
        "bytes": "int64",
    },
    "steps": {
        "job": "string",
        "step": "string",  # name: unique in its job
        "kind": "string",
        "state": "string",
        "attempts": "int32",
        "backend": "string",
        "cached": "bool",
        "created_at": "time",  # of the job
        "started_at": "time",
        "completed_at": "time",
        "error": "string",  # code
        "seconds": "double",  # that it took to make what the step made, also where it was made for another job
        "bytes": "int64",  # of what it made
    },
}
"""Columns and their types, in order; `time` is microseconds in UTC. New ones go to the end."""

GROUP: Final = 10_000
"""Rows that are encoded together, and the most that are in memory."""


def schema(table: UsageTable) -> pa.Schema:
    """As Arrow has it."""
    import pyarrow as pa

    types = {"time": pa.timestamp("us", tz="UTC")}
    return pa.schema([(name, types.get(kind) or pa.type_for_alias(kind)) for name, kind in COLUMNS[table].items()])


def parquet(table: UsageTable, batches: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    """A Parquet file in pieces, while the rows come: memory stays flat however many there are.

    Each row has a value, or None, for each of the table's `COLUMNS` and nothing else; times have a zone. Raises
    ValueError for a row that does not.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    shape, sink = schema(table), _Pieces()
    with ParquetWriter(sink, shape, compression="zstd") as writer:
        for rows in _grouped(batches):
            for row in rows:
                if row.keys() != COLUMNS[table].keys():
                    raise ValueError(f"{table}: {sorted(row.keys() ^ COLUMNS[table].keys())} missing or unknown")
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=shape))
            yield from sink.taken()
    yield from sink.taken()


def _grouped(batches: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    """The same rows in batches of `GROUP`, but for the last: each becomes a row group of its own."""
    waiting: list[Mapping[str, Any]] = []
    for batch in batches:
        waiting += batch
        while len(waiting) >= GROUP:
            yield waiting[:GROUP]
            del waiting[:GROUP]
    if waiting:
        yield waiting


class _Pieces(io.RawIOBase):
    """A file to write to, whose content is taken away while it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> Iterator[bytes]:
        if self._pieces:
            yield b"".join(self._pieces)
            self._pieces.clear()

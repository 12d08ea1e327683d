"""A server's usage as a Parquet dataset in a folder, by month; exported again, it grows and repeats nothing.

    FOLDER/jobs/month=2026-11/part-0.parquet
    FOLDER/steps/month=2026-11/part-0.parquet

`pyarrow.dataset.dataset(FOLDER / "jobs", partitioning="hive")` reads it, and so does any other reader of Hive's layout.
The month is that in which a job was created, which never changes.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from clients.python.studio import Studio
from pipeline.contracts import UsageTable
from pipeline.errors import Conflict, InvalidRequest, Unavailable

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, ParquetWriter

KEY: Final = "job"
"""Column that says which rows belong together: what is exported of a job takes the place of all that was."""
BORN: Final = "created_at"
FILE: Final = "part-0.parquet"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export brought."""

    rows: int
    """New ones, and those that took the place of others."""
    total: int
    """In the months that it touched."""
    months: tuple[str, ...]


def export(studio: Studio, folder: Path, since: datetime | None = None) -> dict[UsageTable, Exported]:
    """Brings `folder` up to date with what `studio` knows of the jobs that were created since `since`, all for None.

    Jobs that the server has no more are kept. A month's file appears whole or not at all. No more than the ids of a
    month's jobs is held in memory. Raises `InvalidRequest` (field `output`) where nothing can be written or something
    else lies there, `Conflict` where another export is at work there.
    """
    try:
        with _owned(folder), tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
            return {table: _brought(studio, table, since, folder / table, Path(scratch)) for table in _tables()}
    except OSError as error:
        raise _refused(f"{folder} can't be written: {error.strerror or error}.", "a writable folder") from error


def _tables() -> tuple[UsageTable, ...]:
    return get_args(UsageTable)


@contextmanager
def _owned(folder: Path) -> Generator[None, None, None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another export is at work in {folder}.", code="folder_in_use", field="output") from None
        yield


def _brought(studio: Studio, table: UsageTable, since: datetime | None, folder: Path, scratch: Path) -> Exported:
    from pyarrow.parquet import ParquetFile

    fetched = scratch / f"{table}.parquet"
    with fetched.open("wb") as file:
        for piece in studio.usage(table, since):
            file.write(piece)
    _checked(fetched, table)
    with ParquetFile(fetched) as source:
        shape, rows = source.schema_arrow, source.metadata.num_rows
        months = _split(source, scratch / table)
    total = 0
    for month, fresh in sorted(months.items()):
        target = folder / f"month={month}" / FILE
        merged = fresh.with_suffix(".merged")
        total += _merge(fresh, target, merged, shape)
        target.parent.mkdir(parents=True, exist_ok=True)
        merged.replace(target)
    return Exported(rows, total, tuple(sorted(months)))


def _checked(path: Path, table: UsageTable) -> None:
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    try:
        found = read_schema(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise Unavailable(f"What the server says of {table} is no Parquet: {error}", code="not_mouthpiece") from None
    if KEY not in found.names or BORN not in found.names:
        raise Unavailable(f"What the server says of {table} has no {KEY} and {BORN}.", code="not_mouthpiece")


def _split(source: ParquetFile, folder: Path) -> dict[str, Path]:
    """The rows of a file, in one file for each month."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow.parquet import ParquetWriter

    folder.mkdir()
    files: dict[str, Path] = {}
    with ExitStack() as stack:
        writers: dict[str, ParquetWriter] = {}
        for batch in source.iter_batches():
            # Without its zone, which is UTC: Arrow would look that up in a database that is not everywhere.
            born = batch[BORN].cast(pa.timestamp("us"))
            born = pc.call_function("strftime", [born], pc.StrftimeOptions("%Y-%m"))
            for month in born.unique().to_pylist():
                if month not in writers:
                    files[month] = folder / month
                    writers[month] = stack.enter_context(ParquetWriter(files[month], source.schema_arrow))
                writers[month].write_batch(batch.filter(pc.call_function("equal", [born, month])))
    return files


def _merge(fresh: Path, known: Path, merged: Path, shape: pa.Schema) -> int:
    """Writes what is `known`, if anything, but for the jobs in `fresh`, and then those; returns the rows."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow.parquet import ParquetWriter, read_schema, read_table

    newer = read_table(fresh, columns=[KEY])[KEY].combine_chunks()
    parts = [shape]
    if known.exists():
        try:
            parts.append(read_schema(known))
        except pa.ArrowInvalid as error:
            raise _refused(f"{known} is no Parquet file: {error}", "a folder of an earlier export") from None
    try:
        # An earlier version's columns stay, with nothing in them for what is new.
        whole = pa.unify_schemas(parts)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise _refused(f"{known} has other columns: {error}", "a folder of an earlier export") from None
    rows = 0
    with ParquetWriter(merged, whole, compression="zstd") as writer:
        if known.exists():
            for batch in _batches(known):
                kept = batch.filter(~pc.field(KEY).isin(newer))
                rows += _append(writer, kept, whole)
        for batch in _batches(fresh):
            rows += _append(writer, batch, whole)
    return rows


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        yield from file.iter_batches()


def _append(writer: ParquetWriter, batch: pa.RecordBatch, shape: pa.Schema) -> int:
    import pyarrow as pa

    columns = [
        batch[field.name] if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
        for field in shape
    ]
    if batch.num_rows:
        writer.write_batch(pa.record_batch(columns, schema=shape))
    return batch.num_rows


def _refused(message: str, accepted: str) -> InvalidRequest:
    return InvalidRequest(message, code="unwritable_output", field="output", accepted=accepted)

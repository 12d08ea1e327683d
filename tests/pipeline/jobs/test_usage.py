"""Usage as Parquet: what was put in comes out, in pieces, and nothing else can get in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from sqlalchemy import Connection

from pipeline.jobs import usage
from pipeline.jobs.usage import COLUMNS, parquet, schema
from pipeline.storage import jobs, steps
from pipeline.storage.database import Database
from pipeline.storage.usage import rows
from tests.pipeline.storage import samples

NOW = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=UTC)


def row(number: int, **fields: Any) -> dict[str, Any]:
    known = {"job": f"vid_{number:026}", "kind": "video", "state": "completed", "created_at": NOW, "bytes": number}
    return dict.fromkeys(COLUMNS["jobs"]) | known | fields


def read(pieces: Iterator[bytes]) -> pa.Table:
    return pq.read_table(io.BytesIO(b"".join(pieces)))


def test_what_was_put_in_comes_out() -> None:
    rows = [row(1), row(2, priority=-3, fps=23.976, error="backend_failed", bytes=2**40), row(3, bytes=None)]
    table = read(parquet("jobs", [rows[:2], [], rows[2:]]))
    assert table.schema.equals(schema("jobs"))
    assert table.to_pylist() == rows


def test_times_are_utc() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    table = read(parquet("jobs", [[row(1, created_at=there)]]))
    assert table["created_at"].to_pylist() == [NOW]
    assert str(table.schema.field("created_at").type) == "timestamp[us, tz=UTC]"


@pytest.mark.parametrize("table", COLUMNS)
def test_an_empty_table_is_a_table(table: Any) -> None:
    found = read(parquet(table, []))
    assert found.num_rows == 0
    assert found.schema.names == list(COLUMNS[table])
    assert found.schema.names[0] == "job"


def test_pieces_come_while_rows_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was written is kept: what comes of a thousand rows has left before the next are asked for."""
    monkeypatch.setattr(usage, "GROUP", 1000)
    asked = 0

    def batches() -> Iterator[list[dict[str, Any]]]:
        nonlocal asked
        for start in range(0, 20_000, 400):
            asked = start + 400
            yield [row(start + n) for n in range(400)]

    got, sizes = [], []
    for piece in parquet("jobs", batches()):
        got.append(piece)
        sizes.append((asked, len(piece)))
    *groups, end = sizes
    assert [rows for rows, _ in groups] == [-(-n // 400) * 400 for n in range(1000, 20_001, 1000)]
    assert min(size for _, size in groups) > 1000
    assert max(size for _, size in groups) < 3 * min(size for _, size in groups)
    assert end[0] == 20_000
    file = pq.ParquetFile(io.BytesIO(b"".join(got)))
    assert file.metadata.num_row_groups == 20
    assert file.read()["bytes"].to_pylist() == list(range(20_000))


@pytest.mark.parametrize("fields", [{"text": "What was said."}, {"message": ""}])
def test_nothing_else_gets_in(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{[*fields]}"):
        list(parquet("jobs", [[row(1), row(2, **fields)]]))
    short = row(1)
    del short["frames"]
    with pytest.raises(ValueError, match="frames"):
        list(parquet("jobs", [[short]]))


def test_what_the_database_knows(tmp_path: Path) -> None:
    """Its rows are the file's, and the words of a request are in neither."""
    database = Database(f"sqlite:///{tmp_path}/jobs.sqlite")
    database.create()
    done, waits = samples.new_job(priority=5), samples.new_job(created_at=samples.later(60))

    def fill(c: Connection) -> None:
        samples.add(c, done, request={"text": "What was said."})
        samples.add(c, waits, digest=samples.B)
        samples.run_to(c, done.id, "assigned", "in_progress")
        jobs.move(c, done.id, "completed", at=samples.later(9), message="said", result=samples.FACTS)
        steps.update(c, done.id, "film", state="completed", attempts=2, backend="meshwarp", cached=True)

    try:
        database.run(fill)
        whole = read(parquet("jobs", rows(database, "jobs"))).to_pylist()
        late = read(parquet("jobs", rows(database, "jobs", samples.later(1), batch=1))).to_pylist()
        film = read(parquet("steps", rows(database, "steps", batch=2))).to_pylist()[2]
        data = b"".join(parquet("steps", rows(database, "steps"))) + b"".join(parquet("jobs", rows(database, "jobs")))
    finally:
        database.close()
    assert [(row["job"], row["state"], row["frames"]) for row in whole] == [
        (done.id, "completed", 50),
        (waits.id, "pending", None),
    ]
    assert (whole[0]["priority"], whole[0]["format"], whole[0]["created_at"]) == (5, "mp4", samples.NOW)
    assert late == whole[1:]
    assert (film["job"], film["step"], film["attempts"], film["cached"]) == (done.id, "film", 2, True)
    assert film["created_at"] == samples.NOW
    assert b"said" not in data

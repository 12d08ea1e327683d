"""Usage as Parquet: what was put in comes out, in pieces, and nothing else can get in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from pipeline.jobs import usage
from pipeline.jobs.usage import COLUMNS, parquet, schema

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

"""Usage in a folder: exported again and again it is complete, and repeats nothing."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import dataset as ds
from pyarrow import parquet as pq

from clients.python.client import Client
from clients.python.dataset import export
from pipeline.errors import Conflict, InvalidRequest, Unavailable
from pipeline.jobs.usage import COLUMNS, parquet
from tests.clients.conftest import Ran
from tests.clients.standin import Standin

OCTOBER = datetime(2026, 10, 31, 23, 59, 59, 999999, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def job(name: str, created_at: datetime, **fields: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS["jobs"]) | {"job": name, "created_at": created_at, "state": "completed"} | fields


def steps(name: str, created_at: datetime, *names: str) -> list[dict[str, Any]]:
    return [dict.fromkeys(COLUMNS["steps"]) | {"job": name, "created_at": created_at, "step": n} for n in names]


@pytest.fixture
def there() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def client(there: Standin) -> Iterator[Client]:
    with Client(there.url) as client:
        yield client


def knows(there: Standin, jobs: list[dict[str, Any]], of_steps: list[dict[str, Any]] | None = None) -> None:
    there.usage = {"jobs": b"".join(parquet("jobs", [jobs])), "steps": b"".join(parquet("steps", [of_steps or []]))}


def rows(folder: Path, table: str = "jobs") -> list[tuple[Any, ...]]:
    found = ds.dataset(folder / table, partitioning="hive").to_table()
    column = "state" if table == "jobs" else "step"
    return sorted(zip(*(found[name].to_pylist() for name in ("job", column, "month")), strict=True))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_it_grows_and_repeats_nothing(there: Standin, client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "usage"
    knows(
        there,
        [job("a", OCTOBER), job("b", NOVEMBER, state="in_progress")],
        steps("a", OCTOBER, "film") + steps("b", NOVEMBER, "speak.0001", "film"),
    )
    first = export(client, folder)
    assert (first["jobs"].rows, first["jobs"].months) == (2, ("2026-10", "2026-11"))
    assert rows(folder) == [("a", "completed", "2026-10"), ("b", "in_progress", "2026-11")]
    before = ds.dataset(folder / "jobs", partitioning="hive").to_table().to_pylist()
    assert export(client, folder) == first
    assert ds.dataset(folder / "jobs", partitioning="hive").to_table().to_pylist() == before

    # "a" was removed there and is kept here; "b" has ended, with a step less; "c" is new.
    knows(
        there,
        [job("b", NOVEMBER), job("c", NOVEMBER)],
        steps("b", NOVEMBER, "film") + steps("c", NOVEMBER, "film"),
    )
    second = export(client, folder, NOVEMBER)
    assert (second["jobs"].rows, second["jobs"].total, second["jobs"].months) == (2, 2, ("2026-11",))
    assert [row[:2] for row in rows(folder)] == [("a", "completed"), ("b", "completed"), ("c", "completed")]
    assert rows(folder, "steps") == [
        ("a", "film", "2026-10"),
        ("b", "film", "2026-11"),
        ("c", "film", "2026-11"),
    ]
    assert there.paths("GET")[-1] == "/api/v1/usage/steps?since=2026-11-01T00%3A00%3A00%2B00%3A00"
    assert names(folder) == [
        ".lock",
        *(f"{table}/month=2026-{month}/part-0.parquet" for table in ("jobs", "steps") for month in (10, 11)),
    ]


def test_nothing_was_done(there: Standin, client: Client, tmp_path: Path) -> None:
    knows(there, [])
    assert [part.rows for part in export(client, tmp_path).values()] == [0, 0]
    assert names(tmp_path) == [".lock"]


def test_more_than_fits_in_one_group(there: Standin, client: Client, tmp_path: Path) -> None:
    knows(there, [job(f"vid_{n:06}", (OCTOBER, NOVEMBER)[n % 2]) for n in range(25_000)])
    export(client, tmp_path)
    knows(there, [job(f"vid_{n:06}", (OCTOBER, NOVEMBER)[n % 2], state="failed") for n in range(20_000, 30_000)])
    found = export(client, tmp_path)["jobs"]
    assert (found.rows, found.total) == (10_000, 30_000)
    states = [state for _, state, _ in rows(tmp_path)]
    assert (len(states), states.count("failed")) == (30_000, 10_000)


def test_a_column_that_came_later(there: Standin, client: Client, tmp_path: Path) -> None:
    old = tmp_path / "jobs" / "month=2026-11" / "part-0.parquet"
    old.parent.mkdir(parents=True)
    pq.write_table(pa.table({"job": ["x", "y"], "gone": [1, 2]}), old)
    knows(there, [job("y", NOVEMBER), job("z", NOVEMBER)])
    export(client, tmp_path)
    found = ds.dataset(tmp_path / "jobs").to_table().select(["job", "state", "gone"]).to_pylist()
    assert found == [
        {"job": "x", "state": None, "gone": 1},
        {"job": "y", "state": "completed", "gone": None},
        {"job": "z", "state": "completed", "gone": None},
    ]


@pytest.mark.parametrize("there_already", [b"something else", None])
def test_what_is_not_ours_is_left(there: Standin, client: Client, tmp_path: Path, there_already: bytes | None) -> None:
    theirs = tmp_path / "jobs" / "month=2026-11" / "part-0.parquet"
    theirs.parent.mkdir(parents=True)
    if there_already is None:
        pq.write_table(pa.table({"job": [1]}), theirs)
    else:
        theirs.write_bytes(there_already)
    before = theirs.read_bytes()
    knows(there, [job("a", NOVEMBER)])
    with pytest.raises(InvalidRequest) as refused:
        export(client, tmp_path)
    assert (refused.value.code, refused.value.field) == ("unwritable_output", "output")
    assert theirs.read_bytes() == before
    assert names(tmp_path) == [".lock", "jobs/month=2026-11/part-0.parquet"]


def test_a_broken_export_leaves_what_was_there(there: Standin, client: Client, tmp_path: Path) -> None:
    knows(there, [job("a", NOVEMBER)])
    export(client, tmp_path)
    knows(there, [job("b", NOVEMBER)])
    there.usage["jobs"] = there.usage["jobs"][:-20]
    with pytest.raises(Unavailable) as broken:
        export(client, tmp_path)
    assert broken.value.code == "not_mouthpiece"
    assert [row[0] for row in rows(tmp_path)] == ["a"]
    assert not list(tmp_path.glob(".export-*"))


def test_one_export_at_a_time(client: Client, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict):
            export(client, tmp_path)


def test_a_folder_that_is_none(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest) as refused:
        export(client, tmp_path / "file" / "usage")
    assert refused.value.field == "output"


# The command


def test_the_command(mouthpiece: Callable[..., Ran], there: Standin, tmp_path: Path) -> None:
    knows(there, [job("a", OCTOBER)], steps("a", OCTOBER, "film"))
    told = mouthpiece("usage", "export", "-o", tmp_path / "usage", "--since", "2026-10-01", "--server", there.url)
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[0] == f"{tmp_path / 'usage' / 'jobs'}: 1 rows in 1 months, 1 there now"
    asked = mouthpiece("usage", "export", "-o", tmp_path / "usage", "--json", "--server", there.url)
    assert asked.json["steps"] == {"rows": 1, "months": ["2026-10"]}
    wrong = mouthpiece("usage", "export", "-o", tmp_path, "--since", "yesterday", "--json", "--server", there.url)
    assert (wrong.code, json.loads(wrong.err)["error"]["field"]) == (2, "--since")
    alone = mouthpiece("usage", "export", "-o", tmp_path, "--json")
    assert (alone.code, alone.error["field"]) == (2, "--server")

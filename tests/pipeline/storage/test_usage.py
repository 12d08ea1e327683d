import io

import pyarrow.parquet
import pytest

from pipeline.contracts.resources import ErrorBody
from pipeline.jobs.usage import COLUMNS, parquet
from pipeline.storage import jobs, nodes, steps, usage
from pipeline.storage.nodes import Made
from tests.pipeline.storage.samples import FACTS, NOW, A, B, add, later, new_job, run_to

ERROR = ErrorBody(code="no_face", message="what somebody wrote")


@pytest.fixture
def ids(database):
    ids = [database.run(lambda c, at=at: add(c, new_job(created_at=later(at)))).id for at in range(5)]

    def work(c):
        nodes.record(c, Made(A, "film", "meshwarp", B, 1234, 0.5, {}, NOW))
        run_to(c, ids[0], "assigned", "in_progress")
        steps.update(c, ids[0], "film", state="completed", key=A, artifact=B, attempts=1, backend="meshwarp")
        jobs.move(c, ids[0], "completed", at=later(9), result=FACTS)
        steps.update(c, ids[1], "locate", state="failed", error=ERROR)
        jobs.move(c, ids[1], "failed", at=later(9), error=ERROR)

    database.run(work)
    return ids


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_every_job_comes_once_oldest_first(database, ids, batch):
    batches = list(usage.rows(database, "jobs", None, batch))
    assert all(0 < len(rows) <= batch for rows in batches)
    rows = [row for rows in batches for row in rows]
    assert [row["job"] for row in rows] == ids
    assert all(row.keys() == COLUMNS["jobs"].keys() for row in rows)
    assert (rows[0]["seconds"], rows[0]["frames"], rows[0]["bytes"], rows[0]["completed_at"]) == (2, 50, 1234, later(9))
    assert (rows[1]["error"], rows[1]["seconds"]) == ("no_face", None)
    assert "what somebody wrote" not in str(rows)


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_every_step_comes_once_in_order(database, ids, batch):
    rows = [row for rows in usage.rows(database, "steps", None, batch) for row in rows]
    assert [(row["job"], row["step"]) for row in rows] == [
        (id, step) for id in ids for step in ("speak.0001", "locate", "film")
    ]
    assert all(row.keys() == COLUMNS["steps"].keys() for row in rows)
    assert (rows[2]["backend"], rows[2]["seconds"], rows[2]["bytes"]) == ("meshwarp", 0.5, 1234)
    assert (rows[4]["error"], rows[4]["seconds"], rows[4]["created_at"]) == ("no_face", None, later(1))


@pytest.mark.parametrize("table", ["jobs", "steps"])
def test_only_those_since_are_given_and_parquet_takes_them(database, ids, table):
    data = b"".join(parquet(table, usage.rows(database, table, later(3), 2)))
    found = pyarrow.parquet.read_table(io.BytesIO(data))
    assert set(found["job"].to_pylist()) == set(ids[3:])
    assert list(usage.rows(database, table, later(99))) == []

import pytest
from sqlalchemy import func, insert, select

from pipeline.contracts.states import FOLLOWING
from pipeline.errors import Conflict
from pipeline.storage import schema
from tests.pipeline.storage.samples import add, new_job, path


@pytest.mark.parametrize("table", ["jobs", "steps"])
def test_the_schema_itself_allows_the_legal_transitions_only(database, table):
    """By plain SQL, every state after every state."""
    job = database.run(lambda c: add(c))
    name = {"jobs": ("id", job.id), "steps": ("job_id", job.id)}[table]

    def put(c, state):
        c.exec_driver_sql(f"UPDATE {table} SET state = '{state}' WHERE {name[0]} = '{name[1]}'")  # noqa: S608

    def start_from(c, state):
        c.exec_driver_sql("DELETE FROM jobs")
        add(c, job)
        for each in path(state):
            put(c, each)

    for state in FOLLOWING:
        for next_ in FOLLOWING:
            database.run(lambda c, state=state: start_from(c, state))
            if next_ in FOLLOWING[state] or next_ == state:
                database.run(lambda c, next_=next_: put(c, next_))
                continue
            with pytest.raises(Conflict) as caught:
                database.run(lambda c, next_=next_: put(c, next_))
            assert caught.value.code == "illegal_transition"


@pytest.mark.parametrize("state", sorted(FOLLOWING.keys() - {"pending"}))
def test_every_row_begins_as_pending(database, state):
    with pytest.raises(Conflict):
        database.run(lambda c: add(c, new_job(state=state)))
    job = new_job()
    assert database.run(lambda c: add(c, job)).state == "pending"
    row = {"job_id": job.id, "name": "x", "position": 9, "kind": "film", "attempts": 0, "cached": False}
    with pytest.raises(Conflict):
        database.run(lambda c: c.execute(insert(schema.steps).values(row | {"state": state})))
    assert database.read(lambda c: c.scalar(select(func.count()).select_from(schema.jobs))) == 1

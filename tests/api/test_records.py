"""What an ingress replica reads past the coordinator: only what is true, and only where one works on it."""

import asyncio
import logging
from functools import partial

import pytest

from deployments.ingress.records import Elsewhere, Records
from pipeline.errors import NotFound
from pipeline.ids import new_id
from pipeline.settings import Settings
from pipeline.storage import events, jobs, schema
from pipeline.storage.database import FILE, Database
from pipeline.storage.owner import Owner
from tests.pipeline.storage.samples import add
from tests.postgres import Postgres


@pytest.fixture
def database(tmp_path):
    database = Database.in_folder(tmp_path)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def records(tmp_path):
    records = Records(Settings(), tmp_path)
    yield records
    records.close()


def read(records, work):
    return asyncio.run(records.read(work))


def test_what_the_coordinator_wrote_is_read(database, records):
    owner = Owner(database)
    job = database.run(add)
    assert read(records, lambda c: jobs.get(c, job.id)) == job
    assert read(records, lambda c: jobs.page(c, 10)) == [job.model_copy(update={"steps": ()})]
    assert [event.task_id for event in read(records, lambda c: events.since(c, 0))] == [job.id]
    assert asyncio.run(records.read(lambda c: jobs.get(c, job.id), brief=True)) == job
    for brief in (False, True):
        with pytest.raises(NotFound):
            asyncio.run(records.read(lambda c: jobs.get(c, new_id("vid")), brief=brief))
    owner.close()
    with pytest.raises(Elsewhere):
        asyncio.run(records.read(lambda c: jobs.get(c, job.id), brief=True))


def test_where_nobody_works_nothing_is_read_and_nothing_made(records, tmp_path):
    with pytest.raises(Elsewhere, match="no coordinator works on"):
        read(records, schema.revision)
    assert list(tmp_path.iterdir()) == []


def test_what_a_coordinator_left_behind_is_not_read(database, records):
    owner = Owner(database)
    assert read(records, schema.revision) == schema.HEAD
    owner.close()
    with pytest.raises(Elsewhere):
        read(records, schema.revision)
    successor = Owner(database)
    assert read(records, schema.revision) == schema.HEAD
    successor.close()


def test_asking_whether_somebody_works_there_keeps_nobody_from_it(database, records):
    for _ in range(20):
        with pytest.raises(Elsewhere):
            read(records, schema.revision)
        Owner(database, patience=0).close()


def test_tables_of_another_release_are_left_to_its_coordinator(database, records):
    owner = Owner(database)
    database.run(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    for _ in range(2):
        with pytest.raises(Elsewhere, match="of revision 9999, not"):
            read(records, schema.revision)
    owner.close()


def test_a_database_without_tables_is_left_to_the_coordinator(records, tmp_path):
    empty = Database.in_folder(tmp_path)
    owner = tmp_path / ".owner"
    owner.touch()
    empty.migrate()
    held = Owner(empty)
    (tmp_path / FILE).unlink()
    with pytest.raises(Elsewhere, match="no such table"):
        read(records, schema.revision)
    held.close()
    empty.close()


def test_who_reads_and_why_not_is_logged_once(database, records, caplog):
    caplog.set_level(logging.INFO, "mouthpiece.ingress")
    for _ in range(3):
        with pytest.raises(Elsewhere):
            read(records, schema.revision)
    owner = Owner(database)
    for _ in range(3):
        read(records, schema.revision)
    owner.close()
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "Jobs are read by way of the coordinator",
        "Jobs are read from the database",
    ]


def test_postgres_is_read_from_everywhere(postgres: Postgres, tmp_path):
    url = postgres.database()
    database = Database(url)
    database.migrate()
    job = database.run(add)
    records = Records(Settings.model_validate({"storage": {"database": url}}), tmp_path)
    assert read(records, partial(jobs.get, id=job.id)) == job
    records.close()
    database.close()
    postgres.drop(url)

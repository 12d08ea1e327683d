"""Transactions: whole or not at all, again where that helps, and an error of ours where it does not."""

import contextlib
import sqlite3
import threading

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from pipeline.errors import Conflict, Damaged, NotFound, SettingsError, StorageFull, Unavailable
from pipeline.storage import events
from pipeline.storage.database import Database
from pipeline.storage.schema import pins
from tests.pipeline.storage.samples import NOW, add

only_postgres = pytest.mark.parametrize("url", ["postgres"], indirect=True)


def note(c, text="x"):
    return events.append(c, "task.progress", text, NOW, {})


def count(c):
    return len(events.since(c, 0))


def test_all_of_it_is_written_or_nothing(database):
    def fail(c):
        note(c)
        raise NotFound("on purpose")

    with pytest.raises(NotFound):
        database.run(fail)
    assert database.read(count) == 0
    assert database.run(note).id >= 1
    assert database.read(count) == 1


def test_a_part_that_is_refused_can_be_taken_back_alone(database):
    def work(c):
        note(c, "before")
        with contextlib.suppress(Conflict), c.begin_nested():
            note(c, "refused")
            raise Conflict("on purpose")
        note(c, "after")

    database.run(work)
    assert [event.task_id for event in database.read(lambda c: events.since(c, 0))] == ["before", "after"]


def test_a_reader_sees_one_moment_and_can_not_write(database):
    seen = []

    def look(c):
        seen.append(count(c))
        database.run(note)  # nobody waits for a reader
        seen.append(count(c))

    database.read(look)
    assert seen == [0, 0]
    assert database.read(count) == 1
    with pytest.raises(DBAPIError):
        database.read(note)
    assert database.run(note), "the connection is fit for writing again"


def test_a_mistake_in_a_statement_is_not_tried_again(database):
    tried = []

    def wrong(c):
        tried.append(1)
        c.execute(pins.insert().values(job_id="nobody", digest="their words"))

    with pytest.raises(IntegrityError) as caught:
        database.run(wrong)
    assert len(tried) == 1
    assert "their words" not in str(caught.value)


def test_many_threads_write_at_once(database):
    threads = [threading.Thread(target=lambda: [database.run(note) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(count) == 80


def test_patience_ends(database, url):
    """Somebody else holds what is needed, and goes on holding it."""
    other = Database(url)
    held, done = threading.Event(), threading.Event()

    def hold(c):
        note(c)
        held.set()
        done.wait(60)

    thread = threading.Thread(target=other.run, args=(hold,))
    thread.start()
    held.wait(60)
    if database.dialect == "postgresql":  # which would wait for longer than the test wants to
        work = lambda c: (c.exec_driver_sql("SET LOCAL lock_timeout = '100ms'"), note(c))  # noqa: E731
    else:
        work = note
    with pytest.raises(Unavailable) as caught:
        database.run(work, patience=0.3)
    assert caught.value.code == "database_unavailable"
    assert database.read(count) == 0, "readers don't wait for writers"
    done.set()
    thread.join()
    database.run(note)
    assert database.read(count) == 2
    other.close()


def test_a_writer_of_another_process_is_waited_for(tmp_path):
    database = Database.in_folder(tmp_path)
    database.create()
    with contextlib.closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=database.run, args=(note,))
        thread.start()
        thread.join(0.3)
        other.execute("COMMIT")
        thread.join()
    assert database.read(count) == 1
    database.close()


@only_postgres
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_of_the_server_in_the_middle_costs_nothing(database, postgres, end):
    tried = []

    def work(c):
        tried.append(1)
        note(c)
        if len(tried) == 1:
            getattr(postgres, end)()
            threading.Timer(0.5, postgres.start).start()
        with c.begin_nested():
            note(c)

    database.run(work)
    assert len(tried) > 1
    assert database.read(count) == 2


@only_postgres
def test_readers_and_pooled_connections_outlive_a_restart(database, postgres):
    database.run(note)
    postgres.restart()
    assert database.read(count) == 1
    postgres.kill()
    postgres.start()
    assert database.run(note)


@only_postgres
@pytest.mark.parametrize("code", ["40001", "40P01", "55P03", "57P01", "53300", "08006"])
def test_what_passes_is_tried_again(database, code):
    tried = []

    def work(c):
        tried.append(1)
        if len(tried) < 3:
            c.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))
        return note(c)

    database.run(work)
    assert len(tried) == 3


@only_postgres
def test_a_full_disk_of_the_server(database):
    with pytest.raises(StorageFull):
        database.run(lambda c: c.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$"))


def test_a_full_disk_loses_nothing_and_says_so(tmp_path):
    database = Database.in_folder(tmp_path)
    database.create()
    database.run(note)

    def fill(c):
        c.exec_driver_sql(f"PRAGMA max_page_count={c.exec_driver_sql('PRAGMA page_count').scalar()}")
        for _ in range(1000):
            events.append(c, "task.progress", "x", NOW, {"text": "x" * 1000})

    with pytest.raises(StorageFull) as caught:
        database.run(fill)
    assert caught.value.code == "disk_full"
    assert str(tmp_path) in caught.value.message
    assert database.read(count) == 1
    database.close()


def test_a_damaged_file_is_said_to_be(tmp_path):
    (tmp_path / "jobs.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    database = Database.in_folder(tmp_path)
    with pytest.raises(Damaged) as caught:
        database.read(count)
    assert caught.value.code == "database_damaged"
    database.close()


def test_sqlite_is_set_up_to_lose_nothing(tmp_path):
    database = Database.in_folder(tmp_path / "new ?#%20" / "folder")
    database.create()
    asked = lambda name: database.run(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar())  # noqa: E731
    assert (tmp_path / "new ?#%20" / "folder" / "jobs.sqlite").exists()
    assert asked("journal_mode") == "wal"
    assert asked("synchronous") == 2  # FULL
    assert asked("foreign_keys") == 1
    database.migrate()
    assert asked("foreign_keys") == 1
    database.close()


def test_a_folder_that_can_not_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError) as caught:
        Database.in_folder(tmp_path / "file" / "folder")
    assert caught.value.field == "storage.folder"


@pytest.mark.parametrize(
    "url", ["nonsense", "postgresql://user:secret@host:port/name", "mysql://user:secret@host/name"]
)
def test_an_url_that_can_not_be_used(url):
    with pytest.raises(SettingsError) as caught:
        Database(url)
    assert caught.value.field == "storage.database"
    assert "secret" not in f"{caught.value!r} {caught.value.__context__!r}"


def test_nothing_shows_the_password():
    database = Database("postgresql://user:secret@127.0.0.1:1/name?password=secret&connect_timeout=1")
    with pytest.raises(Unavailable) as caught:
        database.read(count, patience=0.1)
    assert "127.0.0.1" in caught.value.message
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {database!r} {database}"
    database.close()


@only_postgres
def test_a_session_of_ones_own_sees_every_statement_at_once(database):
    with database.session() as c:
        assert c.scalar(select(func.count()).select_from(pins)) == 0
        job = database.run(lambda c: add(c, uploads=["a" * 64]))
        assert c.scalar(select(func.count()).select_from(pins).where(pins.c.job_id == job.id)) == 1


@only_postgres
def test_nothing_that_was_acknowledged_is_lost_while_the_server_dies_again_and_again(database, postgres):
    acknowledged: list[str] = []
    over = threading.Event()

    def write(writer):
        number = 0
        while not over.is_set():
            number += 1
            name = f"{writer}.{number}"
            database.run(lambda c: note(c, name))  # noqa: B023 - run at once
            acknowledged.append(name)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for end in (postgres.kill, postgres.stop, postgres.kill, postgres.stop):
        before = len(acknowledged)
        while len(acknowledged) < before + 20:
            over.wait(0.01)
        end()
        postgres.start()
    over.set()
    for thread in threads:
        thread.join()
    found = [event.task_id for event in database.read(lambda c: events.since(c, 0, limit=100_000))]
    assert set(acknowledged) <= set(found)
    assert len(found) - len(set(found)) <= 4 * len(threads), "again only where a commit was not answered"

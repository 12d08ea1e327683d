"""A database of any earlier release becomes one of this release, with everything in it."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from pipeline.errors import SettingsError
from pipeline.storage import deliveries, events, jobs, migrations, nodes, schema
from pipeline.storage.database import Database
from tests.pipeline.storage.pictures import picture
from tests.pipeline.storage.samples import add

SCRIPTS = ScriptDirectory(migrations.FOLDER)
REVISIONS = sorted(script.revision for script in SCRIPTS.walk_revisions())
CONTENT = Path(__file__).parent / "released"
"""For each revision, what a release of it wrote. Written once, never changed."""


@pytest.fixture
def empty(url):
    database = Database(url)
    yield database
    database.close()


def fill(c, revision):
    """What a release wrote, with nothing of today's code between; understood by both servers."""
    for statement in (CONTENT / f"{revision}.sql").read_text().split(";\n"):
        if statement:
            c.exec_driver_sql(statement)


def test_revisions_follow_each_other_and_the_code_knows_the_last():
    assert [SCRIPTS.get_current_head()] == SCRIPTS.get_heads() == [schema.HEAD]
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert sorted(path.stem for path in CONTENT.glob("*.sql")) == REVISIONS, "each has content to be tried with"


def test_migrating_makes_the_schema_that_creating_makes(empty, request, tmp_path):
    empty.migrate()
    other_url = (
        f"sqlite:///{tmp_path}/other.sqlite"
        if empty.dialect == "sqlite"
        else request.getfixturevalue("postgres").database()
    )
    other = Database(other_url)
    request.addfinalizer(other.close)
    other.create()
    made, migrated = other.read(picture), empty.read(picture)
    assert migrated["tables"].keys() == made["tables"].keys() >= {"jobs", "alembic_version"}
    for table in made["tables"]:
        assert migrated["tables"][table] == made["tables"][table]
    assert migrated["programs"] == made["programs"]
    rows = lambda c: [tuple(c.execute(select(table)).all()) for table in schema.metadata.sorted_tables]  # noqa: E731
    assert empty.read(rows) == other.read(rows)
    other.migrate()
    assert other.read(picture) == made


@pytest.mark.parametrize("revision", REVISIONS)
def test_what_a_release_wrote_is_there_after_the_upgrade(empty, revision):
    empty.run(lambda c: migrations.upgrade(c, revision))
    empty.run(lambda c: fill(c, revision))
    empty.migrate()
    done, waiting = "vid_01k9x400000000000000000001", "vid_01k9x400000000000000000002"

    def check(c):
        job = jobs.get(c, done)
        assert (job.state, job.progress, job.priority, job.attempt) == ("completed", 100.0, 3, 2)
        assert job.result is not None
        assert job.result.sha256 == "d" * 64
        assert [(step.name, step.state, step.artifact) for step in job.steps] == [
            ("speak.0001", "completed", "a" * 64),
            ("film", "completed", "d" * 64),
        ]
        assert jobs.unfinished(c) == [(waiting, 0, "pending")]
        assert jobs.request(c, waiting) == {"text": "Hello"}
        assert jobs.plan(c, waiting)["nodes"][0]["name"] == "speak.0001"
        assert [event.type for event in events.since(c, 0)] == ["task.queued", "task.completed", "task.queued"]
        made = nodes.find(c, "1" * 64)
        assert made is not None
        assert made.facts == {"frames": 50}
        assert [(each.state, each.body) for each in deliveries.of(c, done)] == [("delivered", '{"type":"x"}')]

    empty.read(check)
    assert empty.run(lambda c: add(c, key="new")).state == "pending", "and it can be worked with"
    assert empty.run(lambda c: add(c, key="first-key", digest="c" * 64)).id == done


def test_several_processes_may_migrate_at_once(url, empty):
    program = "import sys; from pipeline.storage.database import Database; Database(sys.argv[1]).migrate()"
    several = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(3)]
    assert [process.wait(120) for process in several] == [0, 0, 0]
    assert empty.read(lambda c: c.scalar(text("SELECT version_num FROM alembic_version"))) == schema.HEAD


def test_a_database_of_a_later_release_is_left_alone(empty):
    empty.create()
    empty.run(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError) as caught:
        empty.migrate()
    assert caught.value.code == "database_too_new"
    assert "'9999'" in caught.value.message


def test_a_migration_that_fails_leaves_nothing_behind(empty):
    with pytest.raises(ZeroDivisionError):
        empty.run(lambda c: (migrations.upgrade(c), 1 / 0))
    assert empty.read(picture) == {"tables": {}, "programs": []}

"""Who works on a database: tried with processes of their own, killed and started, and with a server that restarts."""

import subprocess
import sys

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from pipeline.errors import Unavailable
from pipeline.storage.database import Database
from pipeline.storage.owner import Owner
from pipeline.storage.schema import owner

COORDINATOR = """
import sys
from pipeline.errors import Unavailable
from pipeline.storage.database import Database
from pipeline.storage.owner import Owner

database = Database(sys.argv[1])
try:
    owner = Owner(database, patience=float(sys.argv[2]))
except Unavailable as error:
    print(error.code, flush=True)
    sys.exit()
print("owner", flush=True)
for line in sys.stdin:
    try:
        print(owner.held() if line == "held\\n" else database.run(owner.guard), flush=True)
    except Unavailable as error:
        print(error.code, flush=True)
"""


class Coordinator:
    def __init__(self, url, patience=0.0):
        self.process = subprocess.Popen(
            [sys.executable, "-c", COORDINATOR, url, str(patience)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def said(self):
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def asked(self, what):
        assert self.process.stdin
        self.process.stdin.write(f"{what}\n")
        return self.said()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(database, url):
    started = []

    def start(patience=0.0):
        started.append(Coordinator(url, patience))
        return started[-1]

    yield start
    for coordinator in started:
        coordinator.kill()


def test_of_many_that_start_at_once_one_is_the_owner(start, database):
    several = [start() for _ in range(3)]
    said = sorted(coordinator.said() for coordinator in several)
    refused = "folder_in_use" if database.dialect == "sqlite" else "database_in_use"
    assert said == [refused, refused, "owner"]


def test_the_next_one_gets_it_when_the_owner_is_killed(start):
    first = start()
    assert first.said() == "owner"
    assert first.asked("held") == "True"
    waiting = start(patience=60)
    first.kill()
    assert waiting.said() == "owner"
    assert waiting.asked("held") == "True"
    assert waiting.asked("guard") == "None"


def test_the_message_names_who_has_it(start, database):
    first = start()
    assert first.said() == "owner"
    with pytest.raises(Unavailable) as caught:
        Owner(database, patience=0)
    assert f"process {first.process.pid} on " in caught.value.message


def test_letting_go_is_enough(database):
    first = Owner(database)
    assert first.held()
    first.close()
    assert not first.held()
    second = Owner(database, patience=0)
    assert second.held()
    with pytest.raises(Unavailable) as caught:
        database.run(first.guard)
    assert caught.value.code == "not_owner"
    second.close()


only_postgres = pytest.mark.parametrize("url", ["postgres"], indirect=True)


@only_postgres
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_owner_alone_outlives_a_restart_of_the_server(start, postgres, end):
    first = start()
    assert first.said() == "owner"
    getattr(postgres, end)()
    assert first.asked("held") == "database_unavailable"
    postgres.start()
    assert first.asked("held") == "True"
    assert first.asked("guard") == "None"
    assert start().said() == "database_in_use", "it has the lock again"


@only_postgres
def test_an_owner_that_was_slower_than_another_after_a_restart_has_lost_it(start, postgres):
    first = start()
    assert first.said() == "owner"
    postgres.restart()
    second = start()
    assert second.said() == "owner"
    assert first.asked("guard") == "not_owner", "also before it has noticed"
    assert first.asked("held") == "False"
    assert second.asked("held") == "True"
    second.kill()
    assert first.asked("held") == "False", "what it knows is stale"


@only_postgres
def test_a_lost_connection_alone_is_taken_up_again(start, postgres):
    first = start()
    assert first.said() == "owner"
    postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mouthpiece'")
    assert first.asked("held") == "True"


@only_postgres
def test_who_takes_over_waits_for_what_the_owner_is_writing(database, url):
    first = Owner(database)

    def work(c):
        first.guard(c)
        first.close()  # lost in the middle of it
        other = Database(url)
        with other.session() as session:
            session.exec_driver_sql("SET lock_timeout = '200ms'")
            with pytest.raises(OperationalError, match="lock timeout"):
                session.execute(owner.update().values(epoch=99))
        other.close()

    database.run(work)
    assert database.read(lambda c: c.scalar(select(owner.c.epoch))) == 1

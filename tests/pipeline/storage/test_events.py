import threading

import pytest

from pipeline.storage import events
from pipeline.storage.database import Database
from tests.pipeline.storage.samples import NOW, later


def note(c, task="a", at=NOW):
    return events.append(c, "task.progress", task, at, {"percent": 1.5})


def test_events_come_back_in_order_from_where_a_listener_stopped(database):
    written = [database.run(lambda c, task=task: note(c, task)) for task in ("a", "b", "a", "a")]
    ids = [event.id for event in written]
    assert ids == sorted(set(ids))
    assert database.read(lambda c: events.since(c, 0)) == written
    assert database.read(lambda c: events.since(c, ids[1])) == written[2:]
    assert database.read(lambda c: events.since(c, 0, "a")) == [written[0], *written[2:]]
    assert database.read(lambda c: events.since(c, 0, "a", 2)) == [written[0], written[2]]
    assert database.read(events.last) == ids[-1]


def test_there_is_no_last_one_at_first(database):
    assert database.read(events.last) == 0
    assert database.read(lambda c: events.since(c, 0)) == []


def test_ids_are_never_given_twice(database, url):
    """Neither after a restart, nor when the newest events are gone."""
    first = database.run(note).id
    database.run(lambda c: c.exec_driver_sql("DELETE FROM events"))
    database.close()
    again = Database(url)
    assert again.run(note).id > first
    again.close()


def test_old_events_go_and_the_newest_stays(database):
    ids = [database.run(lambda c, at=at: note(c, at=later(at))).id for at in (0, 10, 20)]
    assert database.run(lambda c: events.prune(c, later(10))) == 1
    assert [event.id for event in database.read(lambda c: events.since(c, 0))] == ids[1:]
    assert database.run(lambda c: events.prune(c, later(99))) == 1
    assert database.read(events.last) == ids[-1], "where a listener begins never goes back"
    assert database.run(lambda c: events.prune(c, later(99))) == 0


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_smaller_id_is_never_seen_after_a_larger_one(database, url):
    """A slow transaction that wrote first commits first, or the other waits."""
    slow = Database(url)
    written, commit = threading.Event(), threading.Event()

    def slowly(c):
        note(c, "slow")
        written.set()
        commit.wait(60)

    first = threading.Thread(target=slow.run, args=(slowly,))
    first.start()
    written.wait(60)
    second = threading.Thread(target=database.run, args=(lambda c: note(c, "quick"),))
    second.start()
    second.join(0.3)
    seen = database.read(lambda c: events.since(c, 0))
    assert seen == [], "the quick one has to wait, for its id is larger"
    commit.set()
    first.join()
    second.join()
    assert [event.task_id for event in database.read(lambda c: events.since(c, 0))] == ["slow", "quick"]
    slow.close()


def test_a_listener_misses_nothing_while_many_write(database, url):
    writers = [Database(url) for _ in range(4)]
    seen: list[int] = []
    done = threading.Event()

    def listen():
        while True:
            ended = done.is_set()
            found = database.read(lambda c: events.since(c, seen[-1] if seen else 0))
            seen.extend(event.id for event in found)
            if ended and not found:
                return

    listener = threading.Thread(target=listen)
    listener.start()
    threads = [
        threading.Thread(target=lambda writer=writer: [writer.run(lambda c: (note(c), note(c))) for _ in range(15)])
        for writer in writers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    listener.join()
    assert len(seen) == 4 * 15 * 2
    assert seen == [event.id for event in database.read(lambda c: events.since(c, 0))]
    for writer in writers:
        writer.close()

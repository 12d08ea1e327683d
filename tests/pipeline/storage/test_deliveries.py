import pytest

from pipeline.errors import NotFound
from pipeline.ids import is_id
from pipeline.storage import deliveries, events, jobs
from tests.pipeline.storage.samples import NOW, add, later

URL = "https://example.org/hook"
BODY = '{"type":"task.completed","data":{"ü":1}}'


@pytest.fixture
def job(database):
    return database.run(lambda c: add(c))


def new(database, job, at=NOW, url=URL):
    event = database.run(lambda c: events.append(c, "task.completed", job.id, NOW, {}))
    return database.run(lambda c: deliveries.add(c, job.id, event.id, url, BODY, at))


def due(database, now, limit=10):
    return [delivery.id for delivery in database.read(lambda c: deliveries.due(c, now, limit))]


def test_a_delivery_is_due_until_it_arrived(database, job):
    delivery = new(database, job)
    assert is_id("msg", delivery.id)
    assert (delivery.url, delivery.body, delivery.state, delivery.attempts) == (URL, BODY, "due", 0)
    assert due(database, later(-1)) == []
    assert due(database, NOW) == [delivery.id]
    database.run(lambda c: deliveries.postpone(c, delivery.id, later(60), "answered 500"))
    assert due(database, later(59)) == []
    (again,) = database.read(lambda c: deliveries.due(c, later(60), 10))
    assert (again.id, again.attempts, again.error, again.body) == (delivery.id, 1, "answered 500", BODY)
    assert database.read(deliveries.next_due) == later(60)
    database.run(lambda c: deliveries.delivered(c, delivery.id, later(61)))
    done = database.read(lambda c: deliveries.get(c, delivery.id))
    assert (done.state, done.attempts, done.due_at, done.error) == ("delivered", 2, later(61), None)
    assert due(database, later(999)) == []
    assert database.read(deliveries.next_due) is None


def test_a_delivery_that_was_given_up_stays_so(database, job):
    delivery = new(database, job)
    database.run(lambda c: deliveries.give_up(c, delivery.id, "gone", later(1)))
    database.run(lambda c: deliveries.delivered(c, delivery.id))
    database.run(lambda c: deliveries.postpone(c, delivery.id, later(5), "late"))
    (kept,) = database.read(lambda c: deliveries.of(c, job.id))
    assert (kept.state, kept.error, kept.attempts, kept.due_at) == ("given_up", "gone", 1, later(1))


def test_an_event_goes_to_a_url_once(database, job):
    first = new(database, job)
    assert database.run(lambda c: deliveries.add(c, job.id, first.event_id, URL, "other", NOW)) == first
    other = database.run(lambda c: deliveries.add(c, job.id, first.event_id, f"{URL}/2", BODY, NOW))
    assert [each.id for each in database.read(lambda c: deliveries.of(c, job.id))] == [first.id, other.id]


def test_the_longest_overdue_come_first(database, job):
    ids = [new(database, job, later(at)).id for at in (30, 10, 20)]
    assert due(database, later(100), 2) == [ids[1], ids[2]]


def test_deliveries_go_with_their_job(database, job):
    delivery = new(database, job)
    database.run(lambda c: jobs.delete(c, job.id))
    with pytest.raises(NotFound):
        database.read(lambda c: deliveries.get(c, delivery.id))
    database.run(lambda c: deliveries.delivered(c, delivery.id))

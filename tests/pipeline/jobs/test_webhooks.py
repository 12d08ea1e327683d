"""Webhooks: told until they have heard it, whatever dies meanwhile."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts import Event, Job
from pipeline.errors import InvalidRequest
from pipeline.ids import new_id
from pipeline.jobs.webhooks import ATTEMPTS, GROWTH, JITTER, Webhooks, message, wait
from pipeline.metrics import WEBHOOKS, Memory, Metrics
from pipeline.settings import Webhooks as Settings
from pipeline.storage import deliveries, jobs
from pipeline.storage.database import Database
from pipeline.storage.deliveries import Delivery
from tests.pipeline.jobs.receiver import SECRET, Receiver

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = {"type": "task.completed", "timestamp": AT.isoformat(), "data": {"task_id": "vid_x", "title": "Grüße 👋"}}


class Office:
    """A database with a job, what is to be sent of it, and a sender in which it is possible to wait for an end."""

    def __init__(self, folder: Path) -> None:
        self.database = Database.in_folder(folder)
        self.database.create()
        self.memory = Memory()
        job = Job(id=new_id("vid"), state="pending", created_at=AT)
        given: dict[str, Any] = {"request": {}, "plan": {}, "digest": "a" * 64, "uploads": (), "key": None}
        self.database.run(lambda c: jobs.add(c, job, **given, webhook=None, limit=10))
        self.job = job.id
        self._events = 0

    def post(self, url: str) -> Delivery:
        self._events += 1
        return self.database.run(lambda c: deliveries.add(c, self.job, self._events, url, json.dumps(BODY)))

    def get(self, delivery: Delivery) -> Delivery:
        return self.database.read(lambda c: deliveries.get(c, delivery.id))

    async def until(self, delivery: Delivery, reached: Callable[[Delivery], bool]) -> Delivery:
        async with asyncio.timeout(60):
            while not reached(found := await asyncio.to_thread(self.get, delivery)):
                await asyncio.sleep(0.02)
            return found

    async def ended(self, delivery: Delivery) -> Delivery:
        return await self.until(delivery, lambda found: found.state != "due")

    def sender(self, *, secret: str | None = SECRET, private: bool = True, **given: Any) -> Webhooks:
        settings = Settings.model_validate({"secret": secret, "private_networks": private})
        return Webhooks(self.database, settings, Metrics(self.memory), **{"first_wait": 0.01, **given})

    def run(self, work: Callable[[Webhooks], Coroutine[Any, Any, Any]], **given: Any) -> Any:
        async def running() -> Any:
            webhooks = self.sender(**given)
            webhooks.start()
            try:
                return await work(webhooks)
            finally:
                await webhooks.close()

        return asyncio.run(running())

    def outcomes(self) -> tuple[int, ...]:
        """Attempts that were delivered, postponed, given up."""
        return tuple(int(self.memory.value(WEBHOOKS, name)) for name in ("delivered", "postponed", "given_up"))


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path / "data")
    yield office
    office.database.close()


def test_a_message_is_signed_and_heard(office):
    with Receiver() as receiver:
        delivery = office.post(receiver.url())
        before = int(datetime.now(UTC).timestamp())
        found = office.run(lambda _: office.ended(delivery))
        [call] = receiver.calls
    assert call.message() == BODY
    assert call.id == delivery.id
    assert before <= int(call.headers["webhook-timestamp"]) <= datetime.now(UTC).timestamp()
    assert (found.state, found.attempts, found.error) == ("delivered", 1, None)
    assert office.outcomes() == (1, 0, 0)


@pytest.mark.parametrize("status", [500, 503, 404, 302, 301])
def test_what_was_not_heard_is_said_again_under_the_same_id(office, status):
    with Receiver(status, status, 204) as receiver:
        delivery = office.post(receiver.url())
        found = office.run(lambda _: office.ended(delivery))
        calls = list(receiver.calls)
    assert [call.message() for call in calls] == [BODY] * 3
    assert {(call.id, call.path) for call in calls} == {(delivery.id, "/hook?a=1")}
    assert (found.state, found.attempts) == ("delivered", 3)
    assert office.outcomes() == (1, 2, 0)


def test_each_attempt_says_what_was_wrong(office):
    with Receiver(500) as receiver:
        url = receiver.url()
        delivery = office.post(url)
        slow = {"first_wait": 1000.0}
        found = office.run(lambda _: office.until(delivery, lambda d: d.attempts > 0), **slow)
    assert (found.state, found.error) == ("due", "answered 500")
    assert timedelta(seconds=750) < found.due_at - datetime.now(UTC) <= timedelta(seconds=1000)

    deaf = office.post(url)  # nobody listens there any more
    assert "ConnectError" in office.run(lambda _: office.until(deaf, lambda d: d.attempts > 0), **slow).error


def test_who_hangs_is_given_up_and_holds_up_nobody(office):
    with Receiver(0) as deaf, Receiver() as receiver:
        hanging = [office.post(deaf.url(path=f"/{n}")) for n in range(3)]
        others = [office.post(receiver.url(path=f"/{n}")) for n in range(30)]

        async def work(_: Webhooks) -> list[Delivery]:
            for delivery in others:
                assert (await office.ended(delivery)).attempts == 1
            return [await office.until(delivery, lambda _: True) for delivery in hanging]

        assert [found.attempts for found in office.run(work, limit=60.0)] == [0, 0, 0], "they still hang"
        tried = office.until(hanging[0], lambda delivery: delivery.attempts > 0)
        given_up = office.run(lambda _: tried, limit=0.5, first_wait=1000.0)
    assert (given_up.state, given_up.error) == ("due", "no answer within 0.5 s")


def test_it_is_given_up_in_the_end(office):
    with Receiver(500) as receiver:
        delivery = office.post(receiver.url())
        found = office.run(lambda _: office.ended(delivery), first_wait=0.0001)
        assert len(receiver.calls) == ATTEMPTS
    assert (found.state, found.attempts, found.error) == ("given_up", ATTEMPTS, "answered 500")
    assert office.outcomes() == (0, ATTEMPTS - 1, 1)


def test_who_says_gone_is_not_called_again(office):
    with Receiver(410) as receiver:
        delivery = office.post(receiver.url())
        found = office.run(lambda _: office.ended(delivery))
        assert len(receiver.calls) == 1
    assert (found.state, found.error) == ("given_up", "answered 410")


def test_the_address_is_looked_at_again_when_it_is_sent(office):
    """The host may have moved to an inner address since the job was admitted."""
    with Receiver() as receiver:
        delivery = office.post(receiver.url())
        found = office.run(lambda _: office.until(delivery, lambda d: d.attempts > 0), private=False, first_wait=1000.0)
        assert receiver.calls == []
    assert "no public address" in found.error
    assert found.state == "due"


def test_without_a_secret_nothing_is_sent_and_nothing_is_lost(office):
    with Receiver() as receiver:
        delivery = office.post(receiver.url())
        found = office.run(lambda _: office.until(delivery, lambda d: d.attempts > 0), secret=None, first_wait=0.5)
        assert receiver.calls == []
        assert (found.state, found.error) == ("due", "webhooks.secret is not set")
        assert office.run(lambda _: office.ended(delivery)).state == "delivered"


def test_a_nudge_says_that_there_is_something_new(office):
    """Nothing is due, so it would look again in a minute."""
    with Receiver() as receiver:

        async def work(webhooks: Webhooks) -> None:
            webhooks.start()  # a second start changes nothing
            await asyncio.sleep(0.3)
            delivery = await asyncio.to_thread(office.post, receiver.url())
            webhooks.nudge()
            async with asyncio.timeout(30):
                await office.ended(delivery)

        office.run(work)
        assert len(receiver.calls) == 1


def test_what_becomes_due_later_is_sent_then(office):
    with Receiver() as receiver:
        at = datetime.now(UTC) + timedelta(seconds=0.5)
        delivery = office.database.run(lambda c: deliveries.add(c, office.job, 7, receiver.url(), json.dumps(BODY), at))
        office.run(lambda _: office.ended(delivery))
        assert int(receiver.calls[0].headers["webhook-timestamp"]) >= int(at.timestamp())


def test_what_was_heard_is_not_said_again_while_that_can_not_be_written(office):
    forbid = "CREATE TRIGGER full BEFORE UPDATE ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END"
    office.database.run(lambda c: c.exec_driver_sql(forbid))
    with Receiver() as receiver:
        delivery = office.post(receiver.url())

        async def work(webhooks: Webhooks) -> Delivery:
            await asyncio.to_thread(receiver.wait, 1)
            for _ in range(10):
                await asyncio.sleep(0.02)
                webhooks.nudge()
            await asyncio.to_thread(office.database.run, lambda c: c.exec_driver_sql("DROP TRIGGER full"))
            return await office.ended(delivery)

        assert office.run(work).state == "delivered"
        assert len(receiver.calls) == 1


def test_a_job_that_is_deleted_takes_its_messages_along(office):
    with Receiver(500) as receiver:
        office.post(receiver.url())

        async def work(webhooks: Webhooks) -> None:
            await asyncio.to_thread(receiver.wait, 1)
            await asyncio.to_thread(office.database.run, lambda c: jobs.delete(c, office.job))
            webhooks.nudge()
            delivery = await asyncio.to_thread(receiver.wait, 1)
            assert delivery

        office.run(work, first_wait=1000.0)
    assert office.database.read(lambda c: deliveries.of(c, office.job)) == []


SENDER = """
import asyncio, sys
from pathlib import Path
from pipeline.jobs.webhooks import Webhooks
from pipeline.settings import Webhooks as Settings
from pipeline.storage.database import Database

async def main():
    settings = Settings.model_validate({"secret": sys.argv[2], "private_networks": True})
    webhooks = Webhooks(Database.in_folder(Path(sys.argv[1])), settings, first_wait=0.01)
    webhooks.start()
    await asyncio.sleep(300)

asyncio.run(main())
"""


def test_a_sender_that_is_killed_while_sending_is_followed_by_another(office, tmp_path):
    with Receiver(500, 0, 200) as receiver:
        delivery = office.post(receiver.url())
        for count in (2, 3):
            process = subprocess.Popen([sys.executable, "-c", SENDER, str(tmp_path / "data"), SECRET])
            try:
                receiver.wait(count)  # failed, then unanswered; and heard, by the next process
                if count == 3:
                    asyncio.run(office.ended(delivery))
            finally:
                process.kill()
                process.wait()
        calls = list(receiver.calls)
    assert [(call.id, call.message()) for call in calls] == [(delivery.id, BODY)] * 3
    found = office.get(delivery)
    assert (found.state, found.attempts) == ("delivered", 2)  # the one that was cut off counts for nothing


def test_a_sender_that_is_closed_while_sending_leaves_it_due(office):
    with Receiver(0, 200) as receiver:
        delivery = office.post(receiver.url())
        office.run(lambda _: asyncio.to_thread(receiver.wait, 1))
        assert office.get(delivery).state == "due"
        assert office.run(lambda _: office.ended(delivery)).attempts == 1


# At admission


def test_a_job_may_name_a_webhook_that_can_be_called(office):
    async def check(url: str, **given: Any) -> None:
        webhooks = office.sender(**given)
        try:
            await webhooks.check(url)
        finally:
            await webhooks.close()

    asyncio.run(check("http://127.0.0.1:1/"))  # whether somebody listens is seen later
    for code, url, settings in (
        ("webhook_address", "http://127.0.0.1/", {"private": False}),
        ("webhook_credentials", "http://a:b@127.0.0.1/", {}),
        ("webhooks_off", "http://127.0.0.1/", {"secret": None}),
    ):
        with pytest.raises(InvalidRequest) as caught:
            asyncio.run(check(url, **settings))
        assert (caught.value.code, caught.value.field) == (code, "webhook")


# What is said, and when


def test_a_message_has_the_shape_of_the_specification():
    event = Event(id=3, type="task.failed", task_id="vid_x", at=AT, data={"error": {"code": "no_face"}})
    assert json.loads(message(event)) == {
        "type": "task.failed",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "data": {"task_id": "vid_x", "error": {"code": "no_face"}},
    }


@given(st.integers(1, ATTEMPTS - 1))
def test_waits_grow_and_differ(attempts):
    longest = 10.0 * GROWTH ** (attempts - 1)
    waits = {wait(attempts) for _ in range(20)}
    assert len(waits) > 1
    assert all(longest * (1 - JITTER) <= seconds <= longest for seconds in waits)


def test_the_waits_make_about_a_day():
    assert 21 * 3600 < sum(wait(attempts) for attempts in range(1, ATTEMPTS)) < 28 * 3600

import threading

import pytest
from sqlalchemy import func, select

from pipeline.contracts.jobs import Job
from pipeline.contracts.resources import ErrorBody
from pipeline.contracts.states import FOLLOWING
from pipeline.errors import Busy, Conflict, InvalidRequest, NotFound
from pipeline.ids import new_id
from pipeline.storage import events, jobs, schema, steps
from tests.pipeline.storage.samples import FACTS, NOW, A, B, add, later, new_job, path, run_to

FAILED = ErrorBody(code="backend_failed", message="The voice said nothing.", retryable=True)


def test_a_job_comes_back_as_it_was_accepted(database):
    job = new_job(priority=7, message="queued")
    given = {
        "request": {"text": "Grüß dich\u0000\ud800", "seed": 2**63 - 1},
        "plan": {"nodes": [{"given": {"face": A}}]},
    }
    assert database.run(lambda c: add(c, job, webhook="https://example.org/x", **given)) == job
    assert database.read(lambda c: jobs.get(c, job.id)) == job
    assert database.read(lambda c: jobs.request(c, job.id)) == given["request"]
    assert database.read(lambda c: jobs.plan(c, job.id)) == given["plan"]
    assert database.read(lambda c: jobs.webhook(c, job.id)) == "https://example.org/x"
    (event,) = database.read(lambda c: events.since(c, 0))
    assert (event.type, event.task_id, event.at) == ("task.queued", job.id, NOW)
    assert event.data == {"task_id": job.id, "type": "video"}


@pytest.mark.parametrize("ask", [jobs.get, jobs.plan, jobs.request, jobs.webhook, jobs.retry, jobs.delete])
def test_what_is_not_there_is_not_found(database, ask):
    with pytest.raises(NotFound) as caught:
        database.run(lambda c: ask(c, new_id("vid")))
    assert caught.value.field == "id"


def test_the_same_key_and_request_are_the_same_job(database):
    first = database.run(lambda c: add(c, key="once"))
    assert database.run(lambda c: add(c, key="once", limit=1)) == first, "also where the queue is full"
    with pytest.raises(Conflict) as caught:
        database.run(lambda c: add(c, key="once", digest=B))
    assert (caught.value.code, caught.value.field) == ("idempotency_conflict", "Idempotency-Key")
    assert database.run(lambda c: add(c, key="other")) != first
    assert database.run(lambda c: add(c)) != database.run(lambda c: add(c)), "without a key every request is a new one"


def test_accepting_a_job_again_after_an_unanswered_commit_changes_nothing(database):
    job = new_job()
    assert database.run(lambda c: add(c, job)) == database.run(lambda c: add(c, job))
    assert database.read(lambda c: events.last(c)) == 1


def test_one_key_at_once_from_many_threads_is_one_job(database):
    made: list[Job] = []
    threads = [threading.Thread(target=lambda: made.append(database.run(lambda c: add(c, key="k")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len({job.id for job in made}) == 1


def test_the_queue_is_never_longer_than_its_limit_however_many_come_at_once(database):
    refused: list[Busy] = []

    def ask():
        try:
            database.run(lambda c: add(c, limit=3))
        except Busy as busy:
            refused.append(busy)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(jobs.counts)["pending"] == 3
    assert database.read(events.last) == 3, "nothing of a refused job is left"
    assert [busy.code for busy in refused] == ["queue_full"] * 5
    assert all(busy.retry_after == 10 for busy in refused), "nothing is known yet"


def test_a_full_queue_says_when_to_come_back_from_what_jobs_took(database):
    done = database.run(lambda c: add(c))

    def work(c):
        jobs.move(c, done.id, "assigned", at=NOW)
        jobs.move(c, done.id, "in_progress", at=NOW)
        jobs.move(c, done.id, "completed", at=later(42))

    database.run(work)
    with pytest.raises(Busy) as caught:
        database.run(lambda c: add(c, limit=0))
    assert caught.value.retry_after == 42


def moved(c, id, state, **given):
    jobs.move(c, id, state, **given)
    return jobs.get(c, id)


def test_a_job_moves_through_its_life(database):
    id = database.run(lambda c: add(c)).id
    job = database.run(lambda c: moved(c, id, "assigned", at=later(1)))
    assert (job.state, job.started_at, job.completed_at) == ("assigned", None, None)
    job = database.run(lambda c: moved(c, id, "in_progress", at=later(2), message="speaking", frames_total=50))
    assert (job.started_at, job.message, job.frames_total) == (later(2), "speaking", 50)
    job = database.run(lambda c: moved(c, id, "completed", at=later(9), result=FACTS, frames_made=50))
    assert (job.started_at, job.completed_at, job.progress) == (later(2), later(9), 100)
    assert (job.result, job.frames_made, job.error) == (FACTS, 50, None)
    again = database.run(lambda c: moved(c, id, "completed", at=later(60), result=FACTS, frames_made=50))
    assert again == job, "an unanswered commit may be done again"
    with pytest.raises(Conflict) as caught:
        database.run(lambda c: jobs.move(c, id, "in_progress", at=later(61)))
    assert caught.value.code == "illegal_transition"
    with pytest.raises(NotFound):
        database.run(lambda c: jobs.move(c, new_id("vid"), "assigned", at=NOW))


def test_every_illegal_move_is_refused_and_changes_nothing(database):
    for state, following in FOLLOWING.items():
        id = database.run(lambda c: add(c)).id
        database.run(lambda c, id=id, state=state: run_to(c, id, *path(state)))
        for next_ in FOLLOWING.keys() - following - {state}:
            with pytest.raises(Conflict):
                database.run(lambda c, id=id, next_=next_: jobs.move(c, id, next_, at=NOW))
        assert database.read(lambda c, id=id: jobs.get(c, id)).state == state


def test_progress_never_goes_back(database):
    id = database.run(lambda c: add(c)).id
    tell = lambda percent, made: database.run(lambda c: jobs.progress(c, id, percent, "filming", made, 50))  # noqa: E731
    assert not tell(1, 0), "nobody works on it"
    database.run(lambda c: run_to(c, id, "assigned", "in_progress"))
    assert tell(40, 20)
    assert tell(40, 20)
    assert not tell(30, 15)
    job = database.read(lambda c: jobs.get(c, id))
    assert (job.progress, job.frames_made, job.frames_total, job.message) == (40, 20, 50, "filming")
    job = database.run(lambda c: moved(c, id, "in_progress", at=NOW, progress=10))
    assert job.progress == 40
    assert database.run(lambda c: moved(c, id, "in_progress", at=NOW, progress=60)).progress == 60
    database.run(lambda c: jobs.move(c, id, "cancelled", at=NOW))
    assert not tell(70, 30)
    assert not database.run(lambda c: jobs.progress(c, new_id("vid"), 1, "", 0, None))


def test_a_failed_job_is_tried_again_from_what_was_not_completed(database):
    id = database.run(lambda c: add(c)).id

    def fail(c):
        run_to(c, id, "assigned", "in_progress")
        steps.update(c, id, "speak.0001", state="completed", artifact=A, attempts=1)
        steps.update(c, id, "locate", state="failed", attempts=4, error=FAILED, completed_at=NOW)
        steps.block(c, id, ["film"])
        return moved(c, id, "failed", at=later(5), error=FAILED, progress=30)

    failed = database.run(fail)
    assert (failed.error, failed.completed_at) == (FAILED, later(5))
    job = database.run(lambda c: jobs.retry(c, id))
    assert (job.state, job.attempt, job.error, job.started_at, job.completed_at) == ("pending", 2, None, None, None)
    assert job.progress == 0
    assert [step.state for step in job.steps] == ["completed", "pending", "pending"]
    assert (job.steps[0].artifact, job.steps[1].attempts, job.steps[1].error) == (A, 4, None)
    with pytest.raises(Conflict) as caught:
        database.run(lambda c: jobs.retry(c, id))
    assert caught.value.code == "not_failed"


def test_steps_that_were_cancelled_with_a_failure_are_put_anew_by_a_retry(database):
    id = database.run(lambda c: add(c)).id

    def fail(c):
        run_to(c, id, "assigned", "in_progress", "failed")
        steps.cancel(c, id, NOW)

    database.run(fail)
    assert {step.state for step in database.read(lambda c: jobs.get(c, id)).steps} == {"cancelled"}
    again = database.run(lambda c: jobs.retry(c, id))
    assert [(step.name, step.state) for step in again.steps] == [
        ("speak.0001", "pending"),
        ("locate", "pending"),
        ("film", "pending"),
    ]


def test_what_a_dead_process_was_doing_waits_again(database):
    waiting, assigned, doing, done = (database.run(lambda c: add(c)).id for _ in range(4))

    def begin(c):
        run_to(c, assigned, "assigned")
        run_to(c, doing, "assigned", "in_progress")
        steps.update(c, doing, "speak.0001", state="completed")
        steps.update(c, doing, "locate", state="assigned")
        steps.update(c, doing, "locate", state="in_progress")
        steps.update(c, done, "locate", state="assigned")
        run_to(c, done, "assigned", "in_progress", "completed")

    database.run(begin)
    assert database.run(jobs.recover) == [assigned, doing]
    assert database.read(jobs.unfinished) == [(id, 0, "pending") for id in (waiting, assigned, doing)]
    assert [step.state for step in database.read(lambda c: jobs.get(c, doing)).steps] == [
        "completed",
        "pending",
        "pending",
    ]
    assert database.run(jobs.recover) == []


def test_the_unfinished_come_by_priority_then_by_age(database):
    ids = [database.run(lambda c, p=p: add(c, new_job(priority=p))).id for p in (0, -5, 10, 0)]
    database.run(lambda c: run_to(c, ids[0], "assigned"))
    assert database.read(jobs.unfinished) == [
        (ids[2], 10, "pending"),
        (ids[0], 0, "assigned"),
        (ids[3], 0, "pending"),
        (ids[1], -5, "pending"),
    ]


def test_pages_are_newest_first_and_go_on_after_an_id_that_is_gone(database):
    ids = [database.run(lambda c: add(c)).id for _ in range(6)]
    database.run(lambda c: run_to(c, ids[1], "cancelled"))
    database.run(lambda c: run_to(c, ids[4], "assigned"))
    page = lambda *args: [job.id for job in database.read(lambda c: jobs.page(c, *args))]  # noqa: E731
    assert page(4) == ids[:1:-1]
    database.run(lambda c: jobs.delete(c, ids[2]))
    assert page(10, ids[2]) == [ids[1], ids[0]]
    assert page(10, None, "video", ["pending"]) == [ids[5], ids[3], ids[0]]
    assert page(3, None, None, ["cancelled", "assigned", "pending"]) == [ids[5], ids[4], ids[3]]
    assert page(3, ids[4], None, ["cancelled", "assigned"]) == [ids[1]]
    assert database.read(lambda c: jobs.page(c, 1))[0].steps == ()
    assert database.read(jobs.counts) == dict.fromkeys(FOLLOWING, 0) | {"pending": 3, "assigned": 1, "cancelled": 1}
    with pytest.raises(InvalidRequest):
        page(1, "vid_nonsense")


def test_a_deleted_job_takes_along_what_only_it_had(database):
    id = database.run(lambda c: add(c, key="k", uploads=[A])).id
    database.run(lambda c: jobs.delete(c, id))
    for table in (schema.jobs, schema.steps, schema.requests, schema.pins):
        assert database.read(lambda c, table=table: c.scalar(select(func.count()).select_from(table))) == 0
    assert database.read(events.last) == 1, "what happened stays"
    assert database.run(lambda c: add(c, key="k")).id != id, "its key is free again"

import pytest

from pipeline.contracts.resources import ErrorBody
from pipeline.contracts.states import FOLLOWING
from pipeline.errors import Conflict, NotFound
from pipeline.storage import steps
from tests.pipeline.storage.samples import NOW, A, B, add, later, path

FAILED = ErrorBody(code="backend_failed", message="It fell over.", retryable=True)


@pytest.fixture
def job(database):
    return database.run(lambda c: add(c))


def states(database, job):
    return [step.state for step in database.read(lambda c: steps.of(c, job.id))]


def test_a_step_lives_through_what_is_said_of_it(database, job):
    def update(**given):
        database.run(lambda c: steps.update(c, job.id, "film", **given))
        return database.read(lambda c: steps.get(c, job.id, "film"))

    assert update(state="assigned", backend="meshwarp").backend == "meshwarp"
    step = update(state="in_progress", attempts=1, key=A, started_at=NOW)
    assert (step.state, step.attempts, step.key, step.started_at) == ("in_progress", 1, A, NOW)
    assert update(error=FAILED).error == FAILED
    assert update(attempts=2).error == FAILED, "what is not given stays"
    assert update(error=None).error is None
    step = update(state="completed", artifact=B, cached=True, completed_at=later(3))
    assert (step.artifact, step.cached, step.completed_at, step.backend) == (B, True, later(3), "meshwarp")
    assert update(state="completed") == step, "an unanswered commit may be done again"
    assert update() == step
    assert states(database, job) == ["pending", "pending", "completed"], "the others stay as they are"


def test_what_is_not_there_is_not_found(database, job):
    for ask in (
        lambda c: steps.get(c, job.id, "nothing"),
        lambda c: steps.update(c, job.id, "nothing", state="assigned"),
        lambda c: steps.update(c, job.id, "nothing", attempts=1),
    ):
        with pytest.raises(NotFound) as caught:
            database.run(ask)
        assert caught.value.field == "step"


@pytest.mark.parametrize("state", sorted(FOLLOWING))
def test_illegal_transitions_are_refused_and_change_nothing(database, job, state):
    def reach(c):
        for each in path(state):
            steps.update(c, job.id, "locate", state=each)

    database.run(reach)
    for next_ in FOLLOWING.keys() - FOLLOWING[state] - {state}:
        with pytest.raises(Conflict) as caught:
            database.run(lambda c, next_=next_: steps.update(c, job.id, "locate", state=next_, attempts=9))
        assert caught.value.code == "illegal_transition"
    step = database.read(lambda c: steps.get(c, job.id, "locate"))
    assert (step.state, step.attempts) == (state, 0)


def test_what_needs_a_failed_step_is_blocked(database, job):
    database.run(lambda c: steps.update(c, job.id, "speak.0001", state="completed"))
    database.run(lambda c: steps.block(c, job.id, ["speak.0001", "film", "unknown"]))
    database.run(lambda c: steps.block(c, job.id, []))
    assert states(database, job) == ["completed", "pending", "blocked"]


def test_cancelling_ends_what_has_not_ended(database, job):
    database.run(lambda c: steps.update(c, job.id, "speak.0001", state="completed"))
    database.run(lambda c: steps.block(c, job.id, ["film"]))
    other = database.run(lambda c: add(c))
    database.run(lambda c: steps.cancel(c, job.id, later(1)))
    assert states(database, job) == ["completed", "cancelled", "cancelled"]
    assert database.read(lambda c: steps.get(c, job.id, "locate")).completed_at == later(1)
    assert states(database, other) == ["pending"] * 3

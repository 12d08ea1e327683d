from pipeline.storage import jobs, steps
from pipeline.storage.references import references
from tests.pipeline.storage.samples import FACTS, A, B, C, D, add, later, run_to

E = "e" * 64


def kept(database):
    found = database.read(lambda c: list(references(c, unused_since=later(0))))
    assert len(found) == len(set(found))
    return set(found)


def test_a_job_keeps_what_it_was_given_what_it_made_and_what_it_is_for(database):
    plan = {"nodes": [{"name": "film", "given": {"face": B}, "parameters": {"text": "b" * 63}}, {"given": {"clip": A}}]}
    id = database.run(lambda c: add(c, plan=plan, uploads=[A, E])).id
    assert kept(database) == {A, B, E}

    def work(c):
        run_to(c, id, "assigned", "in_progress")
        steps.update(c, id, "locate", artifact=C)
        jobs.move(c, id, "completed", at=later(9), result=FACTS)

    database.run(work)
    assert kept(database) == {A, B, C, D, E}
    database.run(lambda c: jobs.delete(c, id))
    assert kept(database) == set()


def test_what_two_jobs_need_stays_until_both_are_gone(database):
    first, second = (database.run(lambda c: add(c, uploads=[A])).id for _ in range(2))
    database.run(lambda c: jobs.delete(c, first))
    assert kept(database) == {A}
    database.run(lambda c: jobs.delete(c, second))
    assert kept(database) == set()


def test_many_come_in_pieces(database):
    digests = {f"{number:064x}" for number in range(2500)}
    database.run(lambda c: add(c, uploads=sorted(digests)))
    assert kept(database) == digests

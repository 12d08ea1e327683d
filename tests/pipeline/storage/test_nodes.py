import threading
from dataclasses import replace

from pipeline.storage import nodes
from pipeline.storage.nodes import Made
from pipeline.storage.references import references
from tests.pipeline.storage.samples import NOW, A, B, C, D, later

MADE = Made(
    key=A, kind="speak", backend="espeak", artifact=B, size=2**40, seconds=0.25, facts={"pause": 0.1}, created_at=NOW
)


def test_what_was_made_is_found_by_its_key(database):
    assert database.read(lambda c: nodes.find(c, A)) is None
    database.run(lambda c: nodes.record(c, MADE))
    assert database.read(lambda c: nodes.find(c, A)) == MADE


def test_the_first_of_two_with_one_key_stays(database):
    others = [replace(MADE, artifact=artifact) for artifact in (B, C, D)]
    threads = [
        threading.Thread(target=database.run, args=(lambda c, made=made: nodes.record(c, made),)) for made in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = database.read(lambda c: nodes.find(c, A))
    assert first in others
    database.run(lambda c: nodes.record(c, replace(MADE, artifact="e" * 64)))
    assert database.read(lambda c: nodes.find(c, A)) == first


def test_a_damaged_artifact_takes_along_every_node_that_made_it(database):
    for made in (replace(MADE, key=A, artifact=D), replace(MADE, key=B, artifact=D), replace(MADE, key=C, artifact=A)):
        database.run(lambda c, made=made: nodes.record(c, made))
    assert sorted(database.run(lambda c: nodes.forget(c, D))) == [A, B]
    assert database.run(lambda c: nodes.forget(c, D)) == []
    assert database.read(lambda c: nodes.find(c, A)) is None
    assert database.read(lambda c: nodes.find(c, C)) is not None


def test_nodes_that_are_let_go_name_what_no_other_has(database):
    for made in (replace(MADE, key=A, artifact=D), replace(MADE, key=B, artifact=D), replace(MADE, key=C, artifact=A)):
        database.run(lambda c, made=made: nodes.record(c, made))
    assert database.run(lambda c: nodes.let_go(c, [A, C, "unknown"])) == [A]
    assert database.read(lambda c: nodes.find(c, A)) is None
    assert database.read(lambda c: nodes.find(c, B)) is not None
    assert database.run(lambda c: nodes.let_go(c, [B])) == [D]


def test_artifacts_are_found_by_many_keys_at_once(database):
    for made in (MADE, replace(MADE, key=C, artifact=D)):
        database.run(lambda c, made=made: nodes.record(c, made))
    asked = [A, *(f"{number:064}" for number in range(1200)), C]
    assert database.read(lambda c: nodes.artifacts(c, asked)) == {A: B, C: D}
    assert database.read(lambda c: nodes.artifacts(c, [])) == {}


def test_use_keeps_a_node(database):
    kept = lambda since: set(database.read(lambda c: list(references(c, unused_since=since))))  # noqa: E731
    database.run(lambda c: nodes.record(c, MADE))
    database.run(lambda c: nodes.record(c, replace(MADE, key=C, artifact=D)))
    assert kept(NOW) == {B, D}
    database.run(lambda c: nodes.touch(c, [A, "unknown"], later(10)))
    assert kept(later(5)) == {B}
    database.run(lambda c: nodes.touch(c, {A}, later(3)))
    assert kept(later(10)) == {B}, "an earlier use takes nothing back"
    assert kept(later(11)) == set()
    database.run(lambda c: nodes.touch(c, [f"{number:064}" for number in range(1200)] + [C], later(20)))
    assert kept(later(20)) == {D}

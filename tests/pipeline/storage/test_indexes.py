"""What is asked often is found by an index, however many jobs there are."""

import pytest
from sqlalchemy import event

from pipeline.ids import new_id
from pipeline.storage import deliveries, events, jobs, nodes
from pipeline.storage.database import Database
from tests.pipeline.storage.samples import NOW, A


def plans(database, ask):
    """SQLite's plan of each statement that `ask` runs."""

    def explain(c):
        asked = []

        def note(connection, cursor, statement, parameters, context, executemany):
            if not statement.startswith("PRAGMA"):
                asked.append((statement, parameters))

        event.listen(c, "before_cursor_execute", note)
        ask(c)
        event.remove(c, "before_cursor_execute", note)
        return [
            [row[3] for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in asked
        ]

    return database.run(explain)


PAGES = [
    lambda c: jobs.page(c, 20),
    lambda c: jobs.page(c, 20, new_id("vid")),
    lambda c: jobs.page(c, 20, new_id("vid"), "video"),
    lambda c: jobs.page(c, 20, None, None, ["completed"]),
    lambda c: jobs.page(c, 20, new_id("vid"), None, ["pending"]),
    lambda c: jobs.page(c, 20, new_id("vid"), "video", ["pending", "failed"]),
    lambda c: events.since(c, 5),
    lambda c: events.since(c, 5, "vid_x"),
    lambda c: deliveries.due(c, NOW, 10),
]
OTHERS = [
    lambda c: jobs.progress(c, "vid_x", 1, "", 0, None),
    jobs.unfinished,
    lambda c: nodes.find(c, A),
    lambda c: nodes.forget(c, A),
    lambda c: nodes.let_go(c, [A]),
    lambda c: nodes.touch(c, [A], NOW),
    lambda c: events.prune(c, NOW),
    events.last,
]


@pytest.fixture
def sqlite(tmp_path):
    database = Database.in_folder(tmp_path)
    database.create()
    yield database
    database.close()


@pytest.mark.parametrize("ask", PAGES + OTHERS)
def test_no_table_is_searched_row_by_row(sqlite, ask):
    found = plans(sqlite, ask)
    assert found
    for plan in found:
        for line in plan:
            whole_table = line.startswith("SCAN") and "INDEX" not in line and "subquery" not in line
            assert not whole_table or "anon" in line, plan


@pytest.mark.parametrize("ask", PAGES)
def test_pages_come_in_order_from_the_index(sqlite, ask):
    ((*plan,),) = plans(sqlite, ask)
    bounded = any(line.startswith("MATERIALIZE") for line in plan)  # only the page itself is sorted
    assert bounded or not any("TEMP B-TREE" in line for line in plan), plan

"""A short storm: every kind of victim once, over a load. `make chaos` has the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import tally
from tests.chaos.storms import SHARES, schedule, storm


@pytest.mark.cluster
@pytest.mark.timeout(1200)
def test_every_promise_is_kept_whoever_dies(tmp_path: Path) -> None:
    report = storm(tmp_path, schedule(len(SHARES), seed=3), 8, seed=3)
    assert not report.broken, "\n".join(report.broken)
    assert report.completed == report.accepted == 8
    assert {kill.victim for kill in report.kills} == set(SHARES)
    assert set(report.begun) == {"speak", "draw", "locate", "film"}, "the backends did not count"


def test_a_storm_has_every_victim_and_as_many_kills_as_asked() -> None:
    assert len(schedule(100, 1)) == 100
    assert set(schedule(9, 1)) == set(schedule(100, 1)) == set(SHARES)


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "tally.jsonl"
    file.write_text('{"at": 1.0, "what": "begin", "kind": "speak", "which": "Hi."}\n{"at": 2.0, "wh')
    assert tally.marks(file) == [tally.Mark(1.0, "begin", "speak", "Hi.")]

"""How long and how often a client asks again."""

from __future__ import annotations

import logging

import pytest

from clients.python import patience
from clients.python.patience import Patience
from pipeline.errors import Busy, Unavailable

AWAY = Unavailable("Nobody is there.")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time here."""
    pauses: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", pauses.append)
    return pauses


def test_pauses_double_up_to_five_seconds_and_end(slept: list[float]) -> None:
    waiting = Patience(20)
    with pytest.raises(Unavailable) as end:
        while True:
            waiting.wait(AWAY)
    assert end.value is AWAY
    assert slept == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    waiting.renew()
    waiting.wait(AWAY)
    assert slept[-1] == pytest.approx(0.2)


def test_what_the_server_asks_for(slept: list[float]) -> None:
    waiting = Patience(20)
    waiting.wait(Busy("The queue is full.", retry_after=15))
    with pytest.raises(Busy):
        waiting.wait(Busy("The queue is full.", retry_after=15))
    assert slept == [15]


def test_a_server_that_asks_for_no_wait_at_all_is_not_pressed(slept: list[float]) -> None:
    waiting = Patience(2)
    with pytest.raises(Busy):
        while True:
            waiting.wait(Busy("The queue is full.", retry_after=0))
    assert slept in ([0.2] * 9, [0.2] * 10)  # 0.2 is no binary fraction


def test_no_patience(slept: list[float]) -> None:
    with pytest.raises(Unavailable):
        Patience(0).wait(AWAY)
    assert slept == []


def test_a_long_outage_is_warned_of_once(slept: list[float], caplog: pytest.LogCaptureFixture) -> None:
    waiting = Patience(30)
    with caplog.at_level(logging.INFO, "mouthpiece.client"):
        for _ in range(7):
            waiting.wait(AWAY)
        assert [record.levelname for record in caplog.records] == ["INFO"] * 5 + ["WARNING", "INFO"]
        assert "for up to 24 s" in caplog.records[5].getMessage()

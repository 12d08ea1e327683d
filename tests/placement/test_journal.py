"""What the policy decided is seen: metrics, log lines with their reasons, the view."""

from __future__ import annotations

import logging

import pytest

from deployments.placement.facts import Demand, Footprint, Phase
from deployments.placement.journal import SHOW_SECONDS, Journal
from deployments.placement.overview import overview
from pipeline import metrics as known
from pipeline.metrics import Memory, Metrics
from tests.placement.kept_board import CARD, GIB, KeptBoard, record, resident

FOOTPRINTS = {name: Footprint(need=6 * GIB) for name in ("voice-xtts", "lipsync-musetalk")}


def test_a_swap_from_beginning_to_end(caplog: pytest.LogCaptureFixture) -> None:
    """One model is idle, another is asked for: it waits, its room is cleared, it starts, it runs."""
    board, told = KeptBoard(), Memory()
    journal = Journal(board, Metrics(told))
    asked = {"lipsync-musetalk": Demand(3, 100.0)}
    idle = resident("voice-xtts", Phase.RUNNING, 10.0, used=50.0, ready=10.0)
    going = resident("voice-xtts", Phase.STOPPING, 100.1, used=50.0, ready=10.0)
    coming = resident("lipsync-musetalk", Phase.STARTING, 101.5)
    there = resident("lipsync-musetalk", Phase.RUNNING, 105.0, used=105.0, ongoing=1, ready=104.5)

    with caplog.at_level(logging.INFO, "ray.serve.placement"):
        state = record(journal, [idle], asked, FOOTPRINTS, 100.0).state
        assert told.value(known.VRAM_BUDGET_BYTES, CARD) == 10 * GIB
        assert told.value(known.VRAM_RESERVED_BYTES, CARD, "voice-xtts") == 6 * GIB
        assert told.value(known.VRAM_MEASURED_BYTES, CARD, "voice-xtts") == 4 * GIB
        assert told.value(known.MODEL_WAITERS, "lipsync-musetalk") == 3
        state = record(journal, [idle], asked, FOOTPRINTS, 100.05, state).state
        state = record(journal, [going], asked, FOOTPRINTS, 100.1, state).state
        state = record(journal, [], asked, FOOTPRINTS, 101.5, state).state
        state = record(journal, [coming], asked, FOOTPRINTS, 102.0, state).state
        record(journal, [there], {}, FOOTPRINTS, 105.0, state)

    assert told.value(known.EVICTIONS, "voice-xtts", "room") == 1, "decided again and again, counted once"
    stages = {stage: told.value(known.SWAP_SECONDS, stage) for stage in ("leave", "process", "load", "notice")}
    assert stages == pytest.approx({"leave": 1.5, "process": 1.0, "load": 2.0, "notice": 0.5})
    assert told.value(known.MODEL_WAITERS, "lipsync-musetalk") == 0
    assert told.value(known.MODEL_WAIT_SECONDS, "lipsync-musetalk") == pytest.approx(5.0)
    assert told.value(known.VRAM_RESERVED_BYTES, CARD, "voice-xtts") == 0, "it has left"
    assert told.value(known.VRAM_RESERVED_BYTES, CARD, "lipsync-musetalk") == 6 * GIB
    said = caplog.messages
    assert f"voice-xtts (voice-xtts#1) leaves {CARD}: room, for lipsync-musetalk" in said
    assert f"lipsync-musetalk starts on {CARD}: demand" in said
    assert f"lipsync-musetalk waits: stopping on {CARD}" in said
    assert [line.text for line in overview(board).decisions] == said, "people are shown what the log says"


def test_a_busy_model_leaves_when_it_has_finished(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(KeptBoard(), Metrics())
    busy = resident("voice-xtts", Phase.RUNNING, 10.0, used=100.0, ongoing=1, ready=10.0)
    with caplog.at_level(logging.INFO, "ray.serve.placement"):
        record(journal, [busy], {"lipsync-musetalk": Demand(1, 60.0)}, FOOTPRINTS, 100.0)
    assert caplog.messages[0].endswith("room, for lipsync-musetalk, when it has finished what it works on")


def test_the_view_is_written_now_and_then() -> None:
    board = KeptBoard()
    journal = Journal(board, Metrics())
    written = []
    for clock in (100.0, 100.0 + SHOW_SECONDS / 2, 100.0 + SHOW_SECONDS):
        record(journal, [], {}, FOOTPRINTS, clock)
        written.append((board.shown() or {})["at"])
    assert written == [100.0, 100.0, 100.0 + SHOW_SECONDS]

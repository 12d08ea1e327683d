"""Who is there by what Serve makes public alone: what placement goes by where Serve is not built as expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ray.serve._private.common import DeploymentID, ReplicaID, TimeStampedValue
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from deployments.placement.board import Report
from deployments.placement.facts import Phase, Replica
from deployments.placement.residents import GONE_SECONDS, ONGOING, PEAK, USED, Residents
from tests.placement.kept_board import CARD, NODE, KeptBoard

VOICE = DeploymentID("voice-xtts", "mouthpiece")


def context(*running: str, target: int, told: Mapping[str, Mapping[str, float]] | None = None) -> dict[Any, Any]:
    """What Serve tells a policy: replicas that run, how many there shall be, and what they said of themselves."""
    ids = {name: ReplicaID(name, VOICE) for name in running}
    metrics: Any = {
        metric: {ids[name]: [TimeStampedValue(0.0, value)] for name, value in values.items()}
        for metric, values in (told or {}).items()
    }
    return {
        VOICE: AutoscalingContext(
            deployment_id=VOICE,
            deployment_name=VOICE.name,
            app_name=VOICE.app_name,
            current_num_replicas=len(running),
            target_num_replicas=target,
            running_replicas=list(ids.values()),
            total_num_requests=0,
            total_queued_requests=0,
            aggregated_metrics={},
            raw_metrics=metrics,
            capacity_adjusted_min_replicas=0,
            capacity_adjusted_max_replicas=4,
            policy_state={},
            last_scale_up_time=None,
            last_scale_down_time=None,
            current_time=None,
            config=AutoscalingConfig(),
        )
    }


@pytest.fixture
def board() -> KeptBoard:
    board = KeptBoard()
    for name in ("one", "two"):
        board.report(Report(name, VOICE.name, NODE, 0, "0", 5 << 30, 42, began=90.0, ready=95.0, load_seconds=5.0))
    return board


def facts(residents: Residents, contexts: Mapping[Any, Any], board: KeptBoard, clock: float) -> list[Replica]:
    return [resident.fact for resident in residents.all(contexts, board, clock)]


def test_one_that_is_asked_for_starts_until_it_runs(board: KeptBoard) -> None:
    residents = Residents(None)
    [asked] = facts(residents, context(target=1), board, 90.0)
    assert (asked.phase, asked.card, asked.since) == (Phase.STARTING, None, 90.0)
    [still] = facts(residents, context(target=1), board, 92.0)
    assert still == asked, "since when is kept"
    [there] = facts(residents, context("one", target=1), board, 96.0)
    assert (there.id, there.phase, there.card, there.since) == ("one", Phase.RUNNING, CARD, 95.0)


def test_what_it_says_of_itself(board: KeptBoard) -> None:
    told = {ONGOING: {"one": 1.0}, USED: {"one": 99.0}, PEAK: {"one": 4096.0}}
    [found] = Residents(None).all(context("one", target=1, told=told), board, 100.0)
    assert (found.fact.ongoing, found.fact.used, found.peak) == (1, 100.0, 4096)
    for last, used in ((97.0, 97.0), (0.0, None)):
        told = {ONGOING: {"one": 0}, USED: {"one": last}}
        [idle] = facts(Residents(None), context("one", target=1, told=told), board, 100.0)
        assert (idle.ongoing, idle.used) == (0, used)
    [silent] = facts(Residents(None), context("one", target=1), board, 100.0)
    assert silent.used == 100.0, "until it has said what it does, it may be at work"


def test_one_too_many_is_about_to_stop(board: KeptBoard) -> None:
    phases = {fact.id: fact.phase for fact in facts(Residents(None), context("one", "two", target=1), board, 100.0)}
    assert phases == {"one": Phase.RUNNING, "two": Phase.STOPPING}, "the newest goes first"


def test_one_that_runs_no_more_holds_its_room_until_it_is_gone(board: KeptBoard) -> None:
    residents = Residents(None)
    facts(residents, context("one", target=1), board, 100.0)
    [stopping] = facts(residents, context(target=0), board, 101.0)
    assert (stopping.phase, stopping.card, stopping.since) == (Phase.STOPPING, CARD, 101.0)
    assert facts(residents, context(target=0), board, 100.0 + GONE_SECONDS + 0.1) == []
    assert board.reported("one") is None, "nothing is kept of who has gone"


def test_one_whose_report_is_gone_is_gone(board: KeptBoard) -> None:
    residents = Residents(None)
    facts(residents, context("one", target=1), board, 100.0)
    board.forget("one")
    assert facts(residents, context(target=0), board, 100.1) == []


def test_a_deployment_that_is_gone_takes_its_replicas_along(board: KeptBoard) -> None:
    residents = Residents(None)
    facts(residents, context("one", target=1), board, 100.0)
    assert facts(residents, {}, board, 100.1) == []

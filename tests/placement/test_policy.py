"""The rules of the placement policy, one by one, on small tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from deployments.placement.decision import Decision, EvictionCause, StartCause, WaitCause
from deployments.placement.facts import Card, Demand, Footprint, Phase, Replica, Rules, State, Ticket
from deployments.placement.policy import decide

ONE = [Card("card-0", 10)]
TWO = [Card("card-0", 10), Card("card-1", 10)]
RULES = Rules(turn=10.0, turn_per_load=0.0, linger=0.5, start_limit=60.0)
NOW = 100.0


def replica(name: str, card: str | None = "card-0", number: int = 0, **more: Any) -> Replica:
    """Idle since 50, unless told otherwise."""
    facts: dict[str, Any] = {"phase": Phase.RUNNING, "since": 0.0, "used": 50.0} | more
    return Replica(f"{name}#{number}", name, card, **facts)


def run(
    needs: dict[str, int | Footprint],
    resident: Sequence[Replica] = (),
    queued: Sequence[str] = (),
    cards: Sequence[Card] = ONE,
    **more: Any,
) -> Decision:
    footprints = {name: Footprint(need=need) if isinstance(need, int) else need for name, need in needs.items()}
    demand = {name: Demand(queued=1) for name in queued}
    return decide(more.pop("demand", demand), resident, footprints, cards, more.pop("clock", NOW), rules=RULES, **more)


def gone(decision: Decision) -> list[str]:
    return sorted(eviction.replica for eviction in decision.evictions)


def waits(decision: Decision) -> dict[str, WaitCause]:
    return {wait.deployment: wait.cause for wait in decision.waiting}


def test_what_fits_starts_where_it_leaves_least_room() -> None:
    decision = run({"a": 4, "b": 3, "c": 3}, [replica("a", "card-1")], ["b"], TWO)
    assert [(s.deployment, s.card, s.cause) for s in decision.starts] == [("b", "card-1", StartCause.DEMAND)]
    assert decision.targets == {"a": 1, "b": 1}
    assert decision.placement([replica("a", "card-1")]) == {"card-1": ("a", "b")}


def test_idle_models_stay_while_nobody_needs_the_room() -> None:
    decision = run({"a": 5, "b": 5}, [replica("a"), replica("b")])
    assert decision.targets == {"a": 1, "b": 1}
    assert decision.recheck is None


def test_the_least_recently_used_goes_first_and_only_as_many_as_needed() -> None:
    there = [replica("a", used=60.0), replica("b", used=40.0), replica("c", used=50.0)]
    assert gone(run({"a": 3, "b": 3, "c": 3, "d": 4}, there, ["d"])) == ["b#0"]
    assert gone(run({"a": 3, "b": 3, "c": 3, "d": 5}, there, ["d"])) == ["b#0", "c#0"]


def test_what_turns_out_not_to_be_needed_stays() -> None:
    there = [replica("small", used=10.0), replica("large", used=90.0)]
    assert gone(run({"small": 2, "large": 8, "d": 8}, there, ["d"])) == ["large#0"]


def test_a_stopping_replica_holds_its_room() -> None:
    there = [replica("a", phase=Phase.STOPPING)]
    decision = run({"a": 6, "b": 6}, there, ["b"])
    assert not decision.starts
    assert not decision.evictions
    assert waits(decision) == {"b": WaitCause.STOPPING}
    assert decision.held == {"b"}
    assert "b" not in decision.targets


def test_a_starting_replica_holds_its_room_where_it_was_expected() -> None:
    there = [replica("a", None, phase=Phase.STARTING, used=None)]
    state = State(99.0, {}, {"a": ("card-1",)})
    decision = run({"a": 6, "b": 6}, there, ["a", "b"], TWO, state=state)
    assert [(s.deployment, s.card) for s in decision.starts] == [("b", "card-0")]


def test_a_busy_model_keeps_its_room_for_a_turn_and_is_then_drained() -> None:
    there = [replica("a", ongoing=1, used=NOW)]
    state = State(99.0, {"b": Ticket(95.0)})
    early = run({"a": 6, "b": 6}, there, ["a", "b"], state=state)
    assert not early.evictions
    assert waits(early) == {"b": WaitCause.TURN}
    assert early.recheck == 105.0
    late = run({"a": 6, "b": 6}, [replica("a", ongoing=1, used=105.0)], ["a", "b"], state=early.state, clock=105.0)
    (eviction,) = late.evictions
    assert (eviction.replica, eviction.drains, eviction.waiter) == ("a#0", True, "b")
    assert late.targets == {"a": 0}


def test_a_turn_begins_when_the_model_can_work() -> None:
    there = [replica("a", since=98.0, ongoing=1, used=NOW)]
    decision = run({"a": 6, "b": 6}, there, ["b"], state=State(99.0, {"b": Ticket(20.0)}))
    assert decision.waiting[0].until == 108.0


def test_a_slow_loader_has_a_longer_turn() -> None:
    there = [replica("a", ongoing=1, used=NOW)]
    needs: dict[str, int | Footprint] = {"a": Footprint(need=6, load_seconds=30.0), "b": 6}
    decision = decide(
        {"b": Demand(1)},
        there,
        {name: need if isinstance(need, Footprint) else Footprint(need=need) for name, need in needs.items()},
        ONE,
        NOW,
        rules=Rules(turn=10.0, turn_per_load=2.0),
    )
    assert decision.waiting[0].until == NOW + 60.0


def test_a_model_that_was_just_used_is_not_idle_yet() -> None:
    decision = run({"a": 6, "b": 6}, [replica("a", used=99.8)], ["b"])
    assert not decision.evictions
    assert decision.recheck == pytest.approx(100.3)


def test_those_who_wait_are_served_oldest_first_and_the_younger_do_not_take_their_room() -> None:
    state = State(99.0, {"big": Ticket(80.0), "small": Ticket(90.0)})
    there = [replica("a", ongoing=1, used=NOW, since=95.0)]
    decision = run({"a": 6, "big": 9, "small": 3}, there, ["big", "small"], state=state)
    assert not decision.starts, "3 are free, but they are part of what is set aside for the older"
    assert waits(decision) == {"big": WaitCause.TURN, "small": WaitCause.LINE}


def test_the_younger_use_what_the_older_leave() -> None:
    state = State(99.0, {"big": Ticket(80.0), "small": Ticket(90.0)})
    there = [replica("a", ongoing=1, used=NOW, since=95.0)]
    decision = run({"a": 6, "big": 7, "small": 3}, there, ["big", "small"], state=state)
    assert [s.deployment for s in decision.starts] == ["small"]


def test_free_memory_in_pieces_is_made_one() -> None:
    there = [replica("a", "card-0", used=10.0), replica("b", "card-1", used=20.0)]
    decision = run({"a": 6, "b": 6, "c": 5}, there, ["c"], TWO)
    assert gone(decision) == ["a#0"]
    assert decision.waiting[0].card == "card-0"


def test_fewer_evictions_on_another_card_are_better() -> None:
    there = [replica("a", used=10.0), replica("b", used=11.0), replica("c", "card-1", used=90.0)]
    assert gone(run({"a": 5, "b": 5, "c": 9, "d": 9}, there, ["d"], TWO)) == ["c#0"]


def test_pinned_models_stay_whoever_waits() -> None:
    needs: dict[str, int | Footprint] = {"a": Footprint(need=6, pinned=True), "b": 6}
    decision = run(needs, [replica("a", used=1.0)], ["b"])
    assert not decision.evictions
    assert waits(decision) == {"b": WaitCause.PINNED}
    assert decision.held == {"b"}


def test_a_pinned_model_is_loaded_and_may_clear_its_card() -> None:
    needs: dict[str, int | Footprint] = {"a": Footprint(need=6, pinned=True), "b": 6}
    assert [(s.deployment, s.cause) for s in run(needs).starts] == [("a", StartCause.PIN)]
    assert gone(run(needs, [replica("b")])) == ["b#0"]


def test_larger_than_every_card_is_said_and_holds_up_nobody() -> None:
    decision = run({"a": 11, "b": 6}, queued=["a", "b", "nobody-knows"])
    assert waits(decision) == {
        "a": WaitCause.TOO_LARGE,
        "b": WaitCause.STARTING,
        "nobody-knows": WaitCause.UNKNOWN,
    }
    assert decision.held == {"a", "nobody-knows"}


def test_surplus_goes_before_the_last_of_another() -> None:
    there = [
        replica("a", "card-0", 0, ongoing=1, used=NOW, stop_order=1),
        replica("a", "card-1", 1, ongoing=1, used=NOW, stop_order=0),
        replica("b", "card-1", used=1.0),
    ]
    decision = run({"a": Footprint(need=5, max_replicas=2), "b": 5, "c": 5}, there, ["c"], [TWO[1], Card("card-0", 5)])
    assert gone(decision) == ["a#1"]
    assert decision.targets["a"] == 1


def test_what_serve_would_stop_first_goes_along() -> None:
    """The whole of card-0 is needed, and `a` there is not the one that Serve stops first."""
    there = [
        replica("a", "card-0", 0, stop_order=1),
        replica("a", "card-1", 1, stop_order=0),
        replica("b", "card-1", ongoing=1, used=NOW, since=99.0),
    ]
    decision = run({"a": Footprint(need=5, max_replicas=2), "b": 5, "c": 10}, there, ["c"], TWO)
    assert gone(decision) == ["a#0", "a#1"]
    assert [eviction.collateral for eviction in decision.evictions] == [True, False]


@pytest.mark.parametrize(
    ("keep_alive", "used", "goes"), [(0.0, 100.0, True), (60.0, 50.0, False), (60.0, 40.0, True), (-1.0, 0.0, False)]
)
def test_keep_alive(keep_alive: float, used: float, goes: bool) -> None:
    decision = run({"a": Footprint(need=5, keep_alive=keep_alive)}, [replica("a", used=used)])
    assert gone(decision) == (["a#0"] if goes else [])
    if goes:
        assert decision.evictions[0].cause is EvictionCause.KEEP_ALIVE
        assert decision.targets == {"a": 0}
    elif keep_alive > 0:
        assert decision.recheck == used + keep_alive


def test_a_busy_model_outstays_its_keep_alive() -> None:
    assert not run({"a": Footprint(need=5, keep_alive=0.0)}, [replica("a", ongoing=1, used=NOW)]).evictions


def test_unloading_by_hand_waits_for_work_and_loading_by_hand_counts_as_a_request() -> None:
    busy = replica("a", ongoing=1, used=NOW)
    assert not run({"a": 5}, [busy], demand={"a": Demand(unload=True)}).evictions
    assert gone(run({"a": 5}, [replica("a")], demand={"a": Demand(unload=True)})) == ["a#0"]
    assert gone(run({"a": 6, "b": 6}, [replica("a")], demand={"b": Demand(load=True)})) == ["a#0"]


def test_more_replicas_where_requests_ask_and_room_is_spare() -> None:
    there = [replica("a", ongoing=2, used=NOW), replica("b", "card-1")]
    needs: dict[str, int | Footprint] = {"a": Footprint(need=5, max_replicas=4, concurrency=2), "b": 6}
    decision = run(needs, there, cards=TWO, demand={"a": Demand(queued=9)})
    assert [(s.deployment, s.card, s.cause) for s in decision.starts] == [("a", "card-0", StartCause.SCALE_OUT)]
    assert not decision.evictions, "an idle model does not go for another replica"


def test_spare_room_loads_what_a_job_needs_next() -> None:
    there = [replica("voice", ongoing=1, used=NOW)]
    needs: dict[str, int | Footprint] = {"voice": 5, "lipsync": 5, "upscale": 5}
    decision = run(needs, there, hints=[["lipsync", "upscale"]])
    assert [(s.deployment, s.cause) for s in decision.prewarms] == [("lipsync", StartCause.PREWARM)]
    full = run(needs, [*there, replica("upscale")], hints=[["lipsync"]])
    assert not full.starts
    assert not full.evictions


def test_what_was_loaded_in_advance_goes_first() -> None:
    there = [replica("a", used=1.0), replica("b", used=None, since=90.0)]
    assert gone(run({"a": 5, "b": 5, "c": 5}, there, ["c"])) == ["b#0"]


def test_what_a_job_needs_soon_goes_last_of_the_idle() -> None:
    there = [replica("a", used=1.0), replica("b", used=99.0)]
    assert gone(run({"a": 5, "b": 5, "c": 5}, there, ["c"], hints=[["a"]])) == ["b#0"]


def test_a_start_that_hangs_is_given_up_and_others_come_first() -> None:
    stuck = replica("a", phase=Phase.STARTING, since=30.0, used=None)
    state = State(99.0, {"a": Ticket(30.0, "card-0", starting=30.0), "b": Ticket(95.0)})
    decision = run({"a": 6, "b": 6}, [stuck], ["a", "b"], state=state)
    assert [(e.replica, e.cause) for e in decision.evictions] == [("a#0", EvictionCause.STUCK)]
    after = run({"a": 6, "b": 6}, [], ["a", "b"], state=decision.state, clock=101.0)
    assert [s.deployment for s in after.starts] == ["b"]


def test_a_start_that_no_card_has_room_for_gets_one_cleared() -> None:
    """Ray has put others where the policy expected it."""
    there = [replica("a"), replica("b", "card-1"), replica("c", None, phase=Phase.STARTING, used=None)]
    decision = run({"a": 6, "b": 7, "c": 6}, there, ["c"], TWO)
    assert len(decision.evictions) == 1
    assert decision.targets["c"] == 1, "it stays asked for, and starts as soon as the room is there"
    assert not decision.starts


def test_a_card_that_is_gone_takes_its_replicas_along() -> None:
    there = [replica("a", "card-9", ongoing=1, used=NOW)]
    assert [s.deployment for s in run({"a": 6}, there, ["a"]).starts] == ["a"]
    assert run({"a": 6}, there).targets == {"a": 0}, "nor does Serve start it anew by itself"


def test_a_restart_keeps_the_order_of_the_oldest_requests() -> None:
    demand = {"b": Demand(1, 95.0), "c": Demand(1, 90.0)}
    decision = run({"a": 6, "b": 6, "c": 6}, [replica("a")], demand=demand, state=None)
    assert [wait.deployment for wait in decision.waiting] == ["c", "b"]
    assert decision.evictions[0].waiter == "c"


def test_a_drained_model_goes_to_the_end_of_the_line() -> None:
    """However old the requests are that it could not serve."""
    state = State(99.0, {"b": Ticket(80.0), "c": Ticket(98.0)})
    there = [replica("a", phase=Phase.STOPPING)]
    demand = {"a": Demand(3, 10.0), "b": Demand(1, 80.0), "c": Demand(1, 98.0)}
    decision = run({"a": 6, "b": 6, "c": 6}, there, demand=demand, state=state)
    assert [wait.deployment for wait in decision.waiting] == ["b", "c", "a"]


def test_a_corrected_footprint_that_overfills_a_card_lets_idle_ones_go() -> None:
    decision = run({"a": 6, "b": 6}, [replica("a", used=1.0), replica("b", ongoing=1, used=NOW)])
    assert [(e.replica, e.cause) for e in decision.evictions] == [("a#0", EvictionCause.BUDGET)]


@pytest.mark.parametrize(
    ("cards", "needs", "there", "message"),
    [
        ([ONE[0], ONE[0]], {"a": 1}, [], "two cards"),
        (ONE, {"a": 1}, [replica("a"), replica("a")], "two replicas"),
        (ONE, {}, [replica("a")], "no footprint"),
        ([Card("card-0", 0)], {"a": 1}, [], "budget of 0"),
        (ONE, {"a": 0}, [], "must be positive"),
    ],
)
def test_facts_that_contradict_themselves(
    cards: list[Card], needs: dict[str, int | Footprint], there: list[Replica], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(needs, there, cards=cards)


def test_no_cards_and_no_models_are_no_error() -> None:
    assert run({}, cards=[]).targets == {}
    assert waits(run({"a": 1}, queued=["a"], cards=[])) == {"a": WaitCause.TOO_LARGE}

"""What of a request's time was nobody's work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.timings import Call, transport


def test_a_call_less_the_work_on_it() -> None:
    assert transport([Call(10.0, 12.0, 10.5, 11.75)]) == pytest.approx(0.75)
    assert transport([]) == 0


def test_one_call_after_the_other_adds_up_and_what_lies_between_is_not_counted() -> None:
    assert transport([Call(0, 1, 0.1, 0.9), Call(5, 6, 5.2, 5.9)]) == pytest.approx(0.5)


def test_the_way_of_one_call_hides_behind_the_work_on_another() -> None:
    calls = [Call(0, 4, 1, 3), Call(0, 6, 3, 5)]
    assert transport(calls) == pytest.approx(2), "one second before anyone works, one after"


def test_a_clock_that_differs_gives_no_more_work_than_there_was_time() -> None:
    assert transport([Call(0, 2, 100, 101)]) == 2
    assert transport([Call(0, 2, -1, 1)]) == 1


span = st.tuples(st.floats(0, 100), st.floats(0, 10)).map(lambda pair: (pair[0], sum(pair)))


@given(st.lists(st.tuples(span, span).map(lambda both: Call(*both[0], *both[1]))))
def test_it_is_never_negative_and_never_more_than_the_calls(calls: list[Call]) -> None:
    assert -1e-9 <= transport(calls) <= sum(call.received - call.sent for call in calls) + 1e-9

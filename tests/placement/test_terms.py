from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.placement.facts import FOREVER
from deployments.placement.reservation import SHARES, kept
from deployments.placement.terms import Terms

GIGABYTE = 2**30


@given(st.integers(1, SHARES))
def test_ray_sets_aside_all_of_a_share(shares: int) -> None:
    assert shares <= kept(shares) <= min(SHARES, shares + 2)
    assert int(kept(shares) / SHARES * SHARES) == kept(shares)


@given(st.integers(1, 100 * GIGABYTE), st.integers(1 * GIGABYTE, 100 * GIGABYTE))
def test_the_shares_of_a_model_hold_it(need: int, room: int) -> None:
    terms = Terms(need=need, room=room, key="k")
    if need <= room:
        assert terms.shares(need) * room >= need * SHARES
    assert 1 <= terms.shares(need) <= SHARES
    assert terms.footprint(need, 1.0, {}).need <= terms.budget <= room


def test_terms_survive_the_config_that_they_travel_in() -> None:
    terms = Terms(need=5, room=10, key="k", pinned=True, keep_alive=3.0)
    assert Terms.of(json.loads(json.dumps(terms.kwargs()))) == terms
    assert Terms.of({}) is None
    assert Terms.of({"other": 1}) is None


def test_what_somebody_asked_for_goes_before_the_settings() -> None:
    terms = Terms(need=5, room=SHARES, key="k", pinned=True)
    asked = terms.footprint(5, 1.0, {"pinned": False, "prewarm": True, "keep_alive": 4.0})
    assert (asked.pinned, asked.prewarm, asked.keep_alive) == (False, True, 4.0)
    plain = terms.footprint(5, 1.0, {})
    assert (plain.pinned, plain.prewarm, plain.keep_alive) == (True, False, FOREVER)


@pytest.mark.parametrize("need", [SHARES + 1, 10 * SHARES])
def test_what_outgrew_every_card_gets_a_whole_one(need: int) -> None:
    assert Terms(need=1, room=SHARES, key="k").shares(need) == SHARES

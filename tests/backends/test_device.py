from __future__ import annotations

import gc

import numpy as np
import pytest

from deployments.backends.device import Host, Logical, OutOfMemory


def test_a_logical_card_holds_copies_up_to_its_limit_and_gets_them_back() -> None:
    card = Logical(1000)
    array = np.arange(600, dtype=np.uint8)
    copy = card.place(array)
    assert (copy == array).all()
    assert copy is not array
    with pytest.raises(OutOfMemory) as raised:
        card.place(array)
    assert (raised.value.requested, raised.value.taken, raised.value.limit) == (600, 600, 1000)
    assert raised.value.need == 1200
    del copy, raised
    gc.collect()
    assert card.free == 1000
    again = card.place(array)
    assert (card.peak, card.free, len(again)) == (600, 400, 600)


def test_work_counts_while_it_lasts_and_the_peak_stays() -> None:
    card = Logical(1000)
    with card.working(900):
        assert card.peak == 900
        with pytest.raises(OutOfMemory), card.working(101):
            pass
    with card.working(1000):
        pass
    assert card.peak == 1000


def test_only_a_shortage_is_a_shortage() -> None:
    card = Logical(10)
    assert card.shortage(ValueError("no")) is None
    with pytest.raises(OutOfMemory) as raised:
        card.place(np.zeros(11, np.uint8))
    assert card.shortage(raised.value) is raised.value


def test_without_a_card_arrays_stay_where_they_are() -> None:
    array = np.zeros(3)
    assert Host().place(array) is array
    assert Host().limit is None
    assert Host().free is None

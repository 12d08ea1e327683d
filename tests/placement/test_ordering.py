from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deployments.placement.ordering import ordered

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.one_of(st.integers(0, 5), st.integers(2**58, 2**62))),
    max_size=40,
)


@given(ROWS)
def test_it_sorts_as_python_does(rows: list[tuple[int, int, int]]) -> None:
    columns = [np.array([row[i] for row in rows], np.int64) for i in range(3)]
    assert ordered(*columns).tolist() == sorted(range(len(rows)), key=lambda i: rows[i])


def test_few_bits_and_many_give_the_same_order() -> None:
    draw = np.random.default_rng(5)
    few, many = draw.integers(0, 4, 5000), draw.integers(0, 2**40, 5000)
    for keys in ((few, few[::-1]), (many, few, many), (few, many)):
        assert np.array_equal(ordered(*keys), np.lexsort(keys[::-1]))

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.placement.reservation import share
from pipeline.errors import SettingsError


def test_half_a_card() -> None:
    assert share("lipsync-musetalk", 4.75, 10, 512) == 0.5


def test_the_same_model_takes_little_of_a_large_card() -> None:
    assert share("lipsync-musetalk", 5, 80.5, 512) == 0.0625


def test_a_model_larger_than_the_card_is_refused_with_what_would_fit_it() -> None:
    with pytest.raises(SettingsError) as refused:
        share("avatar-sdxl", 9.6, 10, 512)
    assert refused.value.code == "model_too_large"
    assert "10.1 GB" in str(refused.value.accepted)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 80), min_size=1, max_size=20), st.floats(1, 141), st.integers(0, 512))
def test_what_ray_lets_onto_one_card_fits_it(needs: list[float], budget: float, margin: int) -> None:
    room = budget - margin / 1024
    placed = reserved = 0.0
    for need in needs:
        if need <= room:
            part = share("model", need, budget, margin)
            if reserved + part <= 1:
                reserved += part
                placed += need
    assert placed <= room * (1 + 1e-9)

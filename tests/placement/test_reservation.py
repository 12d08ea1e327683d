from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.backends import registry
from deployments.placement import arrangement
from deployments.placement.footprints import Footprints, key
from deployments.placement.reservation import share
from pipeline import cascade
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


def test_the_setting_by_which_it_would_fit_is_named() -> None:
    with pytest.raises(SettingsError) as refused:
        share("avatar-sdxl", 14, 10, 512, less=("options.sdxl.offload: model", 8))
    assert "options.sdxl.offload: model with which it needs 8 GB" in str(refused.value.accepted)
    with pytest.raises(SettingsError) as refused:
        share("avatar-sdxl", 14, 6, 512, less=("options.sdxl.offload: model", 8))
    assert "offload" not in str(refused.value.accepted)


LARGEST: list[tuple[registry.Capability, str]] = [("avatar", "sdxl"), ("motion", "svd")]


@pytest.mark.parametrize(("capability", "name"), LARGEST)
def test_on_the_target_card_the_largest_fit_by_leaving_networks_in_the_hosts_memory(
    capability: registry.Capability, name: str, tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="make models")
    backend = registry.find(capability, name)
    whole = cascade.resolve({}, {}, vram_gigabytes=10.0)
    with pytest.raises(SettingsError, match=backend.deployment) as refused:
        arrangement.terms(backend, whole, Footprints(tmp_path), default=True)
    assert f"options.{backend.name}.offload" in str(refused.value.accepted)
    parted = cascade.resolve({"options": {backend.name: {"offload": "model"}}}, {}, vram_gigabytes=10.0)
    terms = arrangement.terms(backend, parted, Footprints(tmp_path), default=True)
    assert terms is not None
    assert terms.need == 8 << 30 < terms.room
    assert terms.key != key(backend.deployment, whole), "what it was measured to need is another matter"


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

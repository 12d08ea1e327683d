"""What `status` says of cards: which model reserves how much, with a card that an nvidia-smi of the test reports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.cluster_status import reservations, usage
from deployments.placement import gpus
from pipeline import cascade
from pipeline.contracts.placement import Occupant, PlacedCard, PlacedModel, Placement
from pipeline.settings import Settings
from tests.placement.test_gpus import Machine

AT = datetime(2026, 3, 1, tzinfo=UTC)
CHOSEN = {"voice": {"backends": ["espeak", "xtts"]}, "lipsync": {"backends": ["meshwarp", "wav2lip"]}}


def resolved(vram: float | None, **chosen: object) -> Settings:
    return cascade.resolve({**CHOSEN, **chosen}, {}, vram_gigabytes=vram)


def occupant(model: str, measured: float) -> Occupant:
    return Occupant(
        model=model,
        replica=f"{model}-{measured}",
        state="running",
        since=AT,
        in_use=0,
        idle_since=AT,
        reserved_gigabytes=6.0,
        measured_gigabytes=measured,
        pid=1,
    )


@pytest.fixture
def one_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    machine.prints("0, GPU-1, NVIDIA RTX 4090, 24564, 3, 550.54.14, [N/A]\n")
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_card_without_a_budget_of_its_own(one_card: None) -> None:
    settings = resolved(gpus.vram_gigabytes())
    assert settings.gpu.budget_gigabytes is None, "all of the card"
    found = reservations(settings, Placement(at=None))
    assert found.keys() == {"voice-xtts", "lipsync-wav2lip"}
    assert min(found.values()) > 0


def test_what_was_found_to_be_needed_counts(one_card: None) -> None:
    model = PlacedModel(
        model="voice-xtts", need_gigabytes=6.0, queued=0, replicas=2, pinned=False, prewarm=False, keep_seconds=None
    )
    card = PlacedCard(
        id="a/0",
        node="a",
        index=0,
        budget_gigabytes=23.0,
        reserved_gigabytes=6.0,
        occupants=(occupant("voice-xtts", 2.5), occupant("voice-xtts", 3.0)),
    )
    placement = Placement(at=AT, cards=(card,), placeless=(occupant("lipsync-wav2lip", 0.5),), models=(model,))
    assert reservations(resolved(24.0), placement)["voice-xtts"] == 6.0
    assert usage(placement) == {"voice-xtts": 5.5, "lipsync-wav2lip": 0.5}


def test_without_a_card_nothing_is_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert reservations(resolved(None), Placement(at=None)) == {}

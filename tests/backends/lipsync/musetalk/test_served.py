"""lipsync-musetalk as a deployment: small networks, over HTTP, a film at the end. And the script for a card runs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks import gpu_musetalk
from pipeline.media.video import probe
from tests.conftest import Server, serving


@pytest.fixture(scope="module")
def musetalk(tmp_path_factory: pytest.TempPathFactory, small: dict[str, Any]) -> Any:
    settings = (f"lipsync.backends={json.dumps(['musetalk'])}", f"options.musetalk={json.dumps(small)}")
    with serving(tmp_path_factory, *settings) as server:
        yield server


def test_a_film_over_http(musetalk: Server, tmp_path: Path) -> None:
    body = {"text": "Mama buys a pie.", "prompt": "", "size": 128}
    job = httpx.post(f"{musetalk.url}/api/v1/videos?wait=120", json=body, timeout=130).json()
    assert job["status"] == "completed", job
    assert job["result"]["size"] == 128
    path = tmp_path / "film.mp4"
    answer = httpx.get(f"{musetalk.url}/api/v1/videos/{job['id']}/content", timeout=60, follow_redirects=True)
    path.write_bytes(answer.raise_for_status().content)
    facts = probe(path)
    assert (facts.width, facts.height, facts.fps) == (128, 128, Fraction(25))
    assert facts.audio_seconds is not None
    assert abs(facts.audio_seconds - facts.frames / 25) <= 1 / 25


def test_the_script_for_a_card_runs_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    gpu_musetalk.main(["--tiny", "--seconds", "0.4", "--batch", "4", "--size", "128"])
    said = capsys.readouterr().out
    assert "frames a second, encoded" in said
    import torch

    assert ("NOT RUN" in said) == (not torch.cuda.is_available())

"""One server with a deployment for every published model, started by the first request that wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Server, serving, torch_threads

BACKENDS = {
    "voice": ["espeak", "coqui", "xtts"],
    "avatar": ["procedural", "sd15", "sdxl"],
    "lipsync": ["meshwarp", "wav2lip", "musetalk"],
    "motion": ["kenburns", "svd"],
    "upscale": ["lanczos", "realesrgan"],
    "transcribe": ["align", "whisper"],
}

Finished = Callable[..., dict[str, Any]]
"""A job's route and what is sent to it; the job, which was completed."""


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    for library in ("torch", "faster_whisper"):
        pytest.importorskip(library, reason="make models")
    from tests.serve.published import weights

    with torch_threads(1):
        options = dict(weights.write(tmp_path_factory.mktemp("weights")))
    settings = (
        *(f"{capability}.backends={json.dumps(names)}" for capability, names in BACKENDS.items()),
        *(f"options.{name}={json.dumps(chosen)}" for name, chosen in options.items()),
        "avatar.attempts=2",
    )
    with serving(tmp_path_factory, *settings) as server:
        yield server


@pytest.fixture(scope="package")
def models(served: Server) -> Iterator[httpx.Client]:
    """Plain HTTP."""
    with httpx.Client(base_url=served.url, timeout=130) as client:
        yield client


@pytest.fixture(scope="package")
def finished(models: httpx.Client) -> Finished:
    def finish(route: str, **sent: Any) -> dict[str, Any]:
        job = models.post(f"/api/v1/{route}", params={"wait": 120}, **sent).json()
        assert job.get("status") == "completed", job
        return job

    return finish


@pytest.fixture
def content(models: httpx.Client, tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """The file that a job made."""

    def fetched(job: dict[str, Any]) -> Path:
        path = tmp_path / f"{job['id']}.mp4"
        answer = models.get(f"/api/v1/videos/{job['id']}/content", follow_redirects=True)
        path.write_bytes(answer.raise_for_status().content)
        return path

    return fetched

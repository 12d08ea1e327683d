"""motion-svd as a deployment: a small network, over HTTP, a film at the end."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.media.video import probe
from tests.conftest import Server, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, small: dict[str, Any]) -> Any:
    settings = (f"motion.backends={json.dumps(['kenburns', 'svd'])}", f"options.svd={json.dumps(small)}")
    with serving(tmp_path_factory, *settings) as server:
        yield server


def test_a_clip_over_http(served: Server, photo: bytes, tmp_path: Path) -> None:
    fields = {"seconds": "1.5", "width": "160", "height": "128", "camera": "pan_left", "backends.motion": "svd"}
    clips = f"{served.url}/api/v1/clips?wait=120"
    job = httpx.post(clips, data=fields, files={"picture": ("p.png", photo)}, timeout=130).json()
    assert job["status"] == "completed", job
    assert job["result"]["backends"] == {"motion": "svd"}
    path = tmp_path / "clip.mp4"
    answer = httpx.get(f"{served.url}/api/v1/videos/{job['id']}/content", timeout=60, follow_redirects=True)
    path.write_bytes(answer.raise_for_status().content)
    facts = probe(path)
    assert (facts.width, facts.height, facts.fps, facts.frames) == (160, 128, Fraction(25), 38)

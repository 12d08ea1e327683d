"""`serve deploy serve_config.yaml` on a running cluster, as one deploys to any."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import Server

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
WAIT = 120


def test_the_deploy_file_deploys_and_replaces_what_runs(running: Server, tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    document["http_options"]["port"] = running.port
    args = document["applications"][0]["args"]
    args["storage"] = {"folder": str(running.folder / "data")}
    args["video"] = {"size": 160}
    body = {"text": "Before the new version.", "prompt": ""}
    before = httpx.post(f"{running.url}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
    assert before["result"]["size"] == 512

    running.wait_for_dashboard()
    deploy(running, document, tmp_path, 160)
    job = httpx.post(f"{running.url}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
    assert job["status"] == "completed", job
    assert job["result"]["size"] == 160, "the arguments of the file hold"
    kept = httpx.get(f"{running.url}/api/v1/videos/{before['id']}", timeout=30).json()
    assert kept["result"] == before["result"], "what was made before is still there"

    flying = [in_flight(running, take) for take in range(3)]
    while (first := httpx.get(f"{running.url}/api/v1/videos/{flying[0]}", timeout=30).json())["stage"] != "animating":
        assert first["status"] not in ("failed", "completed"), first
        time.sleep(0.05)
    args["video"] = {}
    deploy(running, document, tmp_path, 512)
    for job_id in flying:
        job = httpx.get(f"{running.url}/api/v1/jobs/{job_id}?wait={WAIT}", timeout=WAIT + 10).json()
        assert job["state"] == "completed", job
        assert job["result"]["size"] == 160, "as it was accepted, not as the new version would"
        assert all(step["attempts"] <= 1 for step in job["steps"] if step["kind"] != "film"), "done twice"


def in_flight(running: Server, take: int) -> str:
    """A video that is being made, or waits, while its application is replaced."""
    text = " ".join(f"Sentence {number} of take {take} outlives the version that accepted it." for number in range(8))
    body = {"text": text, "prompt": "", "seed": take}
    return httpx.post(f"{running.url}/api/v1/videos", json=body, timeout=60).raise_for_status().json()["id"]


def deploy(running: Server, document: dict, folder: Path, size: int) -> None:
    """`serve deploy` of this document, until the application has videos of this size."""
    config = folder / "serve_config.yaml"
    config.write_text(yaml.safe_dump(document))
    command = [sys.executable, "-m", "ray.serve.scripts", "deploy", "-a", running.dashboard, str(config)]
    environment = os.environ | {"RAY_AUTH_MODE": "token"}
    deployed = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert deployed.returncode == 0, deployed.stderr
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        status = httpx.get(f"{running.url}/api/v1/status", timeout=30)
        if status.status_code == 200 and status.json()["settings"]["video"]["size"] == size:
            return
        time.sleep(0.5)
    raise AssertionError(f"the deployed application never came: {status.text}")

"""`serve deploy serve_config.yaml` on a running cluster, as one deploys to any."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import yaml

from tests.conftest import Server

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
    args["video"] = {}
    deploy(running, document, tmp_path, 512)


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

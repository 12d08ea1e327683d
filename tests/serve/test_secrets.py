"""A secret of a running server is nowhere to be read: not over HTTP, not on Ray's dashboard, not in a log."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import SIGNING_SECRET, Server

pytestmark = pytest.mark.server


def test_the_status_masks_it(running: Server) -> None:
    answer = httpx.get(f"{running.url}/api/v1/status", timeout=30)
    assert answer.json()["settings"]["webhooks"]["secret"] == "**********"
    assert answer.json()["settings"]["storage"]["database"] is None
    assert SIGNING_SECRET not in answer.text


def test_the_command_line_masks_it(running: Server) -> None:
    for arguments in ([], ["--json"]):
        program = [sys.executable, "-m", "clients.cli.main", "status", "--server", running.url, "--verbose", *arguments]
        done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
        assert "**********" in done.stdout
        assert SIGNING_SECRET not in done.stdout + done.stderr


def test_rays_dashboard_does_not_have_it(running: Server) -> None:
    running.wait_for_dashboard()
    token = Path(running.urls()["token"]).read_text().strip()
    lists = ("actors", "tasks", "workers", "runtime_envs")
    for path in ("/api/serve/applications/", "/api/jobs/", *(f"/api/v0/{name}?detail=1" for name in lists)):
        answer = httpx.get(running.dashboard + path, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert answer.status_code == 200, path
        assert len(answer.content) > 2
        assert SIGNING_SECRET not in answer.text, path


def test_no_log_has_it(running: Server, logs: Path) -> None:
    written = [path for path in logs.rglob("*") if path.is_file()]
    assert any("serve" in path.parts[-2] for path in written)
    for path in [*written, running.folder / "server.log"]:
        assert SIGNING_SECRET.encode() not in path.read_bytes(), path

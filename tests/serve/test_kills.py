"""What can be killed is killed: nothing accepted is lost, and the next request works."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import tree
from tests.conftest import Server

pytestmark = pytest.mark.server

WAIT = 180


def replica(running: Server, deployment: str) -> int:
    """Process id of the deployment's one replica."""
    name = f"ray::ServeReplica:mouthpiece:{deployment}".encode()
    for process in tree(running.process.pid):
        try:
            if Path(f"/proc/{process}/cmdline").read_bytes().startswith(name):
                return process
        except OSError:
            continue
    raise LookupError(f"no replica of {deployment}")


def start_and_wait_until_it_animates(url: str, text: str) -> str:
    job = httpx.post(f"{url}/api/v1/videos", json={"text": text, "prompt": "", "size": 512}, timeout=60).json()
    with httpx.stream("GET", f"{url}/api/v1/videos/{job['id']}/events", timeout=WAIT) as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                state = json.loads(line[6:])
                if state["stage"] == "animating" and state["progress"] > 12:
                    return job["id"]
                assert state["status"] in ("queued", "running"), state
    raise AssertionError("the video never animated")


def ended(url: str, job_id: str) -> dict:
    return httpx.get(f"{url}/api/v1/videos/{job_id}", params={"wait": WAIT}, timeout=WAIT + 10).json()


@pytest.mark.parametrize("victim", ["lipsync-meshwarp", "coordinator"])
def test_a_video_survives_the_death_of(victim: str, running: Server) -> None:
    text = f"Whatever becomes of the {victim}, I will finish what I have to say. " * 5
    job_id = start_and_wait_until_it_animates(running.url, text)
    os.kill(replica(running, victim), signal.SIGKILL)
    running.wait()
    job = ended(running.url, job_id)
    assert job["status"] == "completed", job
    steps = httpx.get(f"{running.url}/api/v1/jobs/{job_id}", timeout=60).json()["steps"]
    assert all(step["attempts"] <= 1 for step in steps if step["kind"] != "film"), "what was finished was done again"
    # Once more, from nothing, and disturbed by nobody.
    assert httpx.delete(f"{running.url}/api/v1/videos/{job_id}", timeout=60).status_code == 204
    body = {"text": text, "prompt": "", "size": 512}
    calm = httpx.post(f"{running.url}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
    steps = httpx.get(f"{running.url}/api/v1/jobs/{calm['id']}", timeout=60).json()["steps"]
    assert not any(step["cached"] for step in steps if step["kind"] == "film")
    assert calm["result"]["sha256"] == job["result"]["sha256"]


def test_the_next_request_works_after_the_voice_died(running: Server) -> None:
    os.kill(replica(running, "voice-espeak"), signal.SIGKILL)
    body = {"text": "Still here.", "prompt": "", "size": 128}
    last = None
    for _ in range(30):
        last = httpx.post(f"{running.url}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10)
        if last.status_code == 200:
            break
        assert last.json()["error"]["retryable"], last.text
    assert last is not None
    assert last.json()["status"] == "completed", last.text


def test_how_a_job_is_can_be_asked_while_the_coordinator_does_not_answer(running: Server) -> None:
    body = {"text": "Ask me anything.", "prompt": "", "size": 128}
    job = httpx.post(f"{running.url}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
    coordinator = replica(running, "coordinator")
    os.kill(coordinator, signal.SIGSTOP)
    try:
        for path in (f"videos/{job['id']}", f"jobs/{job['id']}", "jobs", "videos"):
            answer = httpx.get(f"{running.url}/api/v1/{path}", timeout=30)
            assert answer.status_code == 200, answer.text
            newest = answer.json()["data"][0] if path in ("jobs", "videos") else answer.json()
            assert newest["id"] == job["id"]
    finally:
        os.kill(coordinator, signal.SIGCONT)

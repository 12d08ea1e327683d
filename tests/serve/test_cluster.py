"""The application on a real local Ray cluster: reached by HTTP, by handle, through the dashboard."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import httpx
import pytest
from PIL import Image

from tests.conftest import Server

pytestmark = pytest.mark.server

WAIT = 120


def test_one_request_makes_a_talking_video(server: str, photo: bytes) -> None:
    answer = httpx.post(
        f"{server}/api/v1/videos",
        params={"wait": WAIT},
        data={"text": "Good morning. Mama bought five apples.", "seed": "3", "size": "256"},
        files={"portrait": ("face.png", photo, "image/png")},
        timeout=WAIT + 10,
    )
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert job["status"] == "completed", job
    result = job["result"]
    assert result["backends"] == {"voice": "espeak", "face": "mediapipe", "lipsync": "meshwarp"}
    content = httpx.get(f"{server}/api/v1/videos/{job['id']}/content", timeout=30)
    assert content.headers["content-type"] == "video/mp4"
    assert len(content.content) == result["bytes"] == int(content.headers["content-length"])
    with av.open(io.BytesIO(content.content), "r") as file:
        video, audio = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.average_rate) == (256, 256, 25)
        frames = sum(1 for _ in file.decode(video))
    assert frames == result["frames"]
    with av.open(io.BytesIO(content.content), "r") as file:
        audio = file.streams.audio[0]
        samples = sum(frame.samples for frame in file.decode(audio))
        assert abs(samples / audio.rate - frames / 25) <= 1 / 25


def test_the_same_request_and_seed_give_the_same_bytes(server: str) -> None:
    body = {"text": "The same again.", "prompt": "a woman with red hair", "seed": 11, "size": 256}
    jobs = [httpx.post(f"{server}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json() for _ in range(2)]
    assert all(job["status"] == "completed" for job in jobs), jobs
    assert jobs[0]["result"]["sha256"] == jobs[1]["result"]["sha256"]
    other = httpx.post(f"{server}/api/v1/videos?wait={WAIT}", json=body | {"seed": 12}, timeout=WAIT + 10).json()
    assert other["result"]["sha256"] != jobs[0]["result"]["sha256"]


def test_progress_is_told_as_events_and_never_goes_back(server: str) -> None:
    body = {"text": "One. Two. Three. Four. Five. Six. Seven. Eight.", "prompt": "", "size": 256}
    job = httpx.post(f"{server}/api/v1/videos", json=body, timeout=30)
    assert job.status_code == 202
    seen = []
    with httpx.stream("GET", f"{server}/api/v1/videos/{job.json()['id']}/events", timeout=WAIT) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        seen = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert seen[-1]["status"] == "completed"
    progress = [event["progress"] for event in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 100
    assert len(set(progress)) > 3, "progress moves with the work"


def test_parts_of_a_file_can_be_asked_for(server: str) -> None:
    body = {"text": "Seek.", "prompt": "", "size": 128}
    job = httpx.post(f"{server}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
    url = f"{server}/api/v1/videos/{job['id']}/content"
    whole = httpx.get(url).content
    part = httpx.get(url, headers={"Range": "bytes=100-299"})
    assert part.status_code == 206
    assert part.content == whole[100:300]
    assert part.headers["content-range"] == f"bytes 100-299/{len(whole)}"
    tail = httpx.get(url, headers={"Range": "bytes=-50"})
    assert tail.content == whole[-50:]
    assert httpx.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    etag = part.headers["etag"]
    assert httpx.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_a_running_video_can_be_cancelled_and_the_next_one_works(server: str) -> None:
    body = {"text": "This will never be heard to its end. " * 200, "prompt": "", "size": 512}
    job = httpx.post(f"{server}/api/v1/videos", json=body, timeout=30).json()
    with httpx.stream("GET", f"{server}/api/v1/videos/{job['id']}/events", timeout=WAIT) as events:
        for line in events.iter_lines():
            if line.startswith("data: ") and json.loads(line[6:])["stage"] == "animating":
                break
    cancelled = httpx.post(f"{server}/api/v1/videos/{job['id']}/cancel", timeout=30)
    assert cancelled.json()["status"] == "cancelled"
    assert httpx.get(f"{server}/api/v1/videos/{job['id']}/content").status_code == 409
    body = {"text": "Next.", "prompt": "", "size": 128}
    after = httpx.post(f"{server}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
    assert after["status"] == "completed"


def test_a_portrait_is_drawn_as_png(server: str) -> None:
    answer = httpx.post(f"{server}/api/v1/portraits", json={"prompt": "a man in a suit", "size": 256}, timeout=60)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == (256, 256)


HANDLE = """
    import sys
    import ray
    from ray import serve
    from pipeline.contracts import SpeakRequest, VideoJob, VideoRequest
    from pipeline.errors import UnknownName

    ray.init(address=sys.argv[1], log_to_driver=False)
    handle = serve.get_app_handle("mouthpiece")
    job = handle.create_video.remote(VideoRequest(text="By handle.", prompt="", size=128)).result(timeout_s=60)
    assert isinstance(job, VideoJob), job
    done = handle.wait_video.remote(job.id, 60).result(timeout_s=90)
    assert done.status == "completed", done
    pieces = handle.options(stream=True).speak.remote(SpeakRequest(text="Hello.", format="wav"))
    assert b"".join(pieces)[:4] == b"RIFF"
    try:
        handle.create_video.remote(VideoRequest(text="x", prompt="", voice="nobody")).result(timeout_s=60)
    except UnknownName as error:
        assert error.field == "voice", error.field
    else:
        raise AssertionError("an unknown voice was accepted")
    print("handle works")
"""


def test_another_python_process_uses_the_handle(running: Server) -> None:
    program = [sys.executable, "-c", textwrap.dedent(HANDLE), running.urls()["ray"]]
    environment = os.environ | {"RAY_AUTH_MODE": "token"}
    done = subprocess.run(program, capture_output=True, text=True, timeout=180, env=environment)
    assert "handle works" in done.stdout, done.stderr[-3000:]


def test_the_dashboard_shows_one_deployment_per_backend(running: Server) -> None:
    address = f"{running.dashboard}/api/serve/applications/"
    running.wait_for_dashboard()
    assert httpx.get(address, timeout=30).status_code == 401, "Ray asks for the user's token"
    token = Path(running.urls()["token"])
    assert token.stat().st_mode & 0o077 == 0, "and nobody else can read it"
    answer = httpx.get(address, headers={"Authorization": f"Bearer {token.read_text().strip()}"}, timeout=30)
    assert answer.status_code == 200, answer.text
    application = answer.json()["applications"]["mouthpiece"]
    assert set(application["deployments"]) == {
        "ingress",
        "coordinator",
        "voice-espeak",
        "avatar-procedural",
        "face-mediapipe",
        "lipsync-meshwarp",
        "motion-kenburns",
        "upscale-lanczos",
        "transcribe-align",
    }


def test_status_tells_the_truth(server: str) -> None:
    status = httpx.get(f"{server}/api/v1/status", timeout=30).json()
    assert status["runtime"] == "cluster"
    assert status["profile"] == "cpu" or status["gpus"]
    running = {part["name"]: part["replicas"].get("RUNNING", 0) for part in status["deployments"]}
    assert running["voice-espeak"] == running["lipsync-meshwarp"] == running["coordinator"] == 1


def test_http_and_the_dashboard_listen_on_loopback_alone(running: Server) -> None:
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = [row[1].split(":") for row in rows if row[3] == "0A"]
    ours = [address for address, port in listening if int(port, 16) in (running.port, running.dashboard_port)]
    assert len(ours) == 2
    assert set(ours) == {"0100007F"}, "127.0.0.1, as the kernel writes it"

"""The API's own routes, over real HTTP."""

from __future__ import annotations

import hashlib
import io
import json
import re
from typing import Any

import httpx
import pytest
from PIL import Image

from pipeline.contracts import Avatar, Status, VideoJob, VoiceList, VoiceProfile
from pipeline.media.audio import decode_audio
from tests.api.conftest import error

pytestmark = pytest.mark.server

SMALL: dict[str, Any] = {"text": "Hello there.", "prompt": "a man", "size": 128, "fps": 10}


@pytest.fixture(scope="module")
def video(api: httpx.Client) -> VideoJob:
    """A finished one."""
    answer = api.post("/api/v1/videos", params={"wait": 100}, json=SMALL)
    assert answer.status_code == 200, answer.text
    return VideoJob(**answer.json())


@pytest.fixture(scope="module")
def content(api: httpx.Client, video: VideoJob) -> bytes:
    return api.get(f"/api/v1/videos/{video.id}/content").content


def test_a_video_is_accepted_made_and_read(api: httpx.Client) -> None:
    answer = api.post("/api/v1/videos", json=SMALL)
    assert answer.status_code == 202
    job = VideoJob(**answer.json())
    assert answer.headers["location"] == f"/api/v1/videos/{job.id}"
    assert job.status in ("queued", "running")
    assert job.result is None
    done = VideoJob(**api.get(answer.headers["location"], params={"wait": 100}).json())
    assert (done.status, done.progress, done.stage, done.error) == ("completed", 100, "done", None)
    assert done.result is not None
    assert (done.result.size, done.result.fps, done.result.format) == (128, 10, "mp4")
    assert done.result.backends == {
        "voice": "espeak",
        "avatar": "procedural",
        "face": "mediapipe",
        "lipsync": "meshwarp",
    }
    assert done.completed_at is not None
    assert done.completed_at > done.created_at


def test_the_same_request_gives_the_same_bytes(api: httpx.Client, video: VideoJob) -> None:
    again = VideoJob(**api.post("/api/v1/videos", params={"wait": 100}, json=SMALL).json())
    assert again.id != video.id
    assert again.result is not None
    assert video.result is not None
    assert again.result.sha256 == video.result.sha256


def test_content(api: httpx.Client, video: VideoJob, content: bytes) -> None:
    assert video.result is not None
    assert hashlib.sha256(content).hexdigest() == video.result.sha256
    answer = api.get(f"/api/v1/videos/{video.id}/content")
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["accept-ranges"] == "bytes"
    assert content[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-99", 10, 99), ("bytes=100-", 100, -1), ("bytes=-50", -50, -1)],
)
def test_ranges(api: httpx.Client, video: VideoJob, content: bytes, header: str, first: int, last: int) -> None:
    size = len(content)
    first, last = first % size, last % size
    answer = api.get(f"/api/v1/videos/{video.id}/content", headers={"Range": header})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert answer.content == content[first : last + 1]


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0"])
def test_ranges_outside(api: httpx.Client, video: VideoJob, content: bytes, header: str) -> None:
    answer = api.get(f"/api/v1/videos/{video.id}/content", headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(content)}"
    assert error(answer)["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=5-2",
        "bytes=a-b",
        "bytes=1-2,4-5",
        "lines=1-2",
        "bytes=--1",
        "bytes=-",
        "bytes=\u00b2-",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_ranges_that_are_none(api: httpx.Client, video: VideoJob, content: bytes, header: str) -> None:
    answer = api.get(f"/api/v1/videos/{video.id}/content", headers=[(b"Range", header.encode("latin-1"))])
    assert answer.status_code == 200
    assert answer.content == content


def test_known_content_is_not_sent_again(api: httpx.Client, video: VideoJob) -> None:
    address = f"/api/v1/videos/{video.id}/content"
    etag = api.get(address).headers["etag"]
    for known in (etag, f'"another", W/{etag}'):
        answer = api.get(address, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert api.get(address, headers={"If-None-Match": '"another"'}).status_code == 200


def test_events(api: httpx.Client, video: VideoJob) -> None:
    made = api.post("/api/v1/videos", json=SMALL | {"seed": 3}).json()["id"]
    with api.stream("GET", f"/api/v1/videos/{made}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    names = [line.removeprefix("event: ") for line in lines[::2]]
    jobs = [VideoJob(**json.loads(line.removeprefix("data: "))) for line in lines[1::2]]
    assert names == [job.status for job in jobs]
    assert {job.id for job in jobs} == {made}
    assert jobs[-1].status == "completed"
    assert [job.progress for job in jobs] == sorted(job.progress for job in jobs)
    ended = api.get(f"/api/v1/videos/{video.id}/events").text
    assert ended.count("event: ") == 1


def test_pages(api: httpx.Client, video: VideoJob) -> None:
    everything = api.get("/api/v1/videos", params={"limit": 100}).json()
    assert not everything["has_more"]
    ids = [job["id"] for job in everything["data"]]
    assert ids == sorted(ids, reverse=True)
    assert video.id in ids
    page = api.get("/api/v1/videos", params={"limit": 1}).json()
    assert [job["id"] for job in page["data"]] == ids[:1]
    assert page["has_more"] == (len(ids) > 1)
    rest = api.get("/api/v1/videos", params={"limit": 100, "after": ids[0]}).json()
    assert [job["id"] for job in rest["data"]] == ids[1:]


def test_cancel_and_delete(api: httpx.Client) -> None:
    long = SMALL | {"text": "Word after word after word. " * 300}
    made = api.post("/api/v1/videos", json=long).json()["id"]
    answer = api.get(f"/api/v1/videos/{made}/content")
    assert answer.status_code == 409
    assert error(answer)["code"] == "not_completed"
    cancelled = api.post(f"/api/v1/videos/{made}/cancel")
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    again = api.post(f"/api/v1/videos/{made}/cancel")
    assert (again.status_code, error(again)["code"]) == (409, "already_ended")
    assert api.delete(f"/api/v1/videos/{made}").status_code == 204
    assert api.get(f"/api/v1/videos/{made}").status_code == 404
    running = api.post("/api/v1/videos", json=long).json()["id"]
    assert api.delete(f"/api/v1/videos/{running}").status_code == 204
    assert api.get(f"/api/v1/videos/{running}").status_code == 404


def test_files(api: httpx.Client, photo: bytes, clip: bytes) -> None:
    answer = api.post(
        "/api/v1/videos",
        params={"wait": 100},
        data={"size": "128", "fps": "10", "backends.face": "mediapipe", "blink": "false"},
        files={"portrait": ("me.png", photo), "audio": ("me.wav", clip)},
    )
    assert answer.status_code == 200, answer.text
    job = VideoJob(**answer.json())
    assert job.result is not None
    samples, rate = decode_audio(clip)
    assert job.result.seconds == pytest.approx(len(samples) / rate, abs=0.1)
    assert job.result.backends == {"face": "mediapipe", "lipsync": "meshwarp"}


@pytest.mark.parametrize(("format", "media"), [("webm", "video/webm"), ("gif", "image/gif")])
def test_other_formats(api: httpx.Client, format: str, media: str) -> None:
    made = api.post("/api/v1/videos", params={"wait": 100}, json=SMALL | {"format": format, "text": "Hi."}).json()
    assert made["status"] == "completed", made
    answer = api.get(f"/api/v1/videos/{made['id']}/content")
    assert answer.headers["content-type"] == media
    assert len(answer.content) == made["result"]["bytes"]


def test_speech(api: httpx.Client, clip: bytes) -> None:
    plain = api.post("/api/v1/speech", json={"text": "Hello.", "format": "flac"})
    assert plain.headers["content-type"] == "audio/flac"
    samples, rate = decode_audio(plain.content)
    assert len(samples) / rate > 0.2
    tinted = api.post("/api/v1/speech", data={"text": "Hello.", "format": "flac"}, files={"voice_clip": clip})
    assert tinted.status_code == 200, tinted.text
    assert tinted.content != plain.content


def test_portraits(api: httpx.Client) -> None:
    wanted: dict[str, Any] = {"prompt": "a woman & a hat?", "size": 128, "seed": 2**62}
    posted = api.post("/api/v1/portraits", json=wanted)
    assert posted.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(posted.content)).size == (128, 128)
    assert api.get("/api/v1/portraits", params=wanted).content == posted.content
    assert api.get("/api/v1/portraits", params=wanted | {"seed": 1}).content != posted.content


def test_voices(api: httpx.Client, clip: bytes) -> None:
    made = api.post("/api/v1/voices", data={"name": "Grace"}, files={"clip": clip})
    assert made.status_code == 201, made.text
    voice = VoiceProfile(**made.json())
    assert voice.usable_by == ("espeak",)
    assert voice.fidelity == "tint"
    listed = VoiceList(**api.get("/api/v1/voices").json())
    assert voice in listed.profiles
    assert "en-us" in listed.builtin["espeak"]
    assert VoiceProfile(**api.get("/api/v1/voices/Grace").json()) == voice
    assert VoiceProfile(**api.get(f"/api/v1/voices/{voice.id}").json()) == voice
    twice = api.post("/api/v1/voices", data={"name": "Grace"}, files={"clip": clip})
    assert twice.status_code == 409
    preview = api.get(f"/api/v1/voices/{voice.id}/preview", params={"text": "Hi.", "format": "mp3"})
    assert preview.headers["content-type"] == "audio/mpeg"
    spoken = api.post("/api/v1/speech", json={"text": "Hi.", "voice": "Grace", "format": "mp3"})
    assert preview.content == spoken.content
    renamed = api.patch(f"/api/v1/voices/{voice.id}", json={"name": "Ada"})
    assert VoiceProfile(**renamed.json()) == voice.model_copy(update={"name": "Ada"})
    assert api.get("/api/v1/voices/Grace").status_code == 404
    assert api.delete("/api/v1/voices/Ada").status_code == 204
    assert api.get(f"/api/v1/voices/{voice.id}").status_code == 404


def test_avatars(api: httpx.Client, photo: bytes) -> None:
    made = api.post("/api/v1/avatars", data={"name": "Eileen"}, files={"portrait": photo})
    assert made.status_code == 201, made.text
    avatar = Avatar(**made.json())
    assert avatar.source == "photo"
    drawn = api.post("/api/v1/avatars", json={"name": "Drawn", "prompt": "a man", "size": 128})
    assert Avatar(**drawn.json()).source == "prompt"
    listed = [Avatar(**one) for one in api.get("/api/v1/avatars").json()["data"]]
    assert avatar in listed
    picture = api.get(f"/api/v1/avatars/{avatar.id}/picture")
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (avatar.width, avatar.height)
    video = api.post(
        "/api/v1/videos", params={"wait": 100}, json={"text": "Hi.", "avatar": avatar.id, "size": 128, "fps": 10}
    ).json()
    assert video["status"] == "completed", video
    assert set(video["result"]["backends"]) == {"voice", "lipsync"}
    renamed = api.patch("/api/v1/avatars/Eileen", json={"name": "Collins"})
    assert Avatar(**renamed.json()) == avatar.model_copy(update={"name": "Collins"})
    for name in ("Collins", "Drawn"):
        assert api.delete(f"/api/v1/avatars/{name}").status_code == 204
    assert api.get("/api/v1/avatars/Drawn").status_code == 404


def test_status(api: httpx.Client) -> None:
    status = Status(**api.get("/api/v1/status").json())
    assert status.runtime == "cluster"
    names = {deployment.name for deployment in status.deployments}
    assert {"ingress", "coordinator", "voice-espeak", "face-mediapipe", "lipsync-meshwarp"} <= names
    assert status.settings["voice"]["backends"] == ["espeak"]
    assert api.get("/api/v1/backends").json() == {
        "enabled": {
            "voice": ["espeak"],
            "avatar": ["procedural"],
            "face": ["mediapipe"],
            "lipsync": ["meshwarp"],
            "motion": ["kenburns"],
            "upscale": ["lanczos"],
            "transcribe": ["align"],
        }
    }
    for kind in ("live", "ready"):
        assert api.get(f"/api/v1/system/health/{kind}").json() == {"status": "ok"}


def test_the_page_needs_no_other_server(api: httpx.Client) -> None:
    root = api.get("/")
    assert (root.status_code, root.headers["location"]) == (307, "/docs")
    page = api.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/docs/files/"), address
        assert api.get(address).status_code == 200
    assert api.get("/openapi.json").json()["info"]["title"] == "Mouthpiece"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("PUT", "/api/v1/videos", 405, "method_not_allowed"),
        ("GET", "/api/v1/videos/vid_00000000000000000000000000", 404, "not_found"),
        ("GET", "/api/v1/videos/x/events", 404, "not_found"),
        ("GET", "/api/v1/videos/x/content", 404, "not_found"),
        ("POST", "/api/v1/videos/x/cancel", 404, "not_found"),
        ("DELETE", "/api/v1/videos/x", 404, "not_found"),
        ("GET", "/api/v1/jobs/x", 404, "not_found"),
        ("GET", "/api/v1/jobs/vid_00000000000000000000000000?wait=5", 404, "not_found"),
        ("POST", "/api/v1/jobs/x/cancel", 404, "not_found"),
        ("POST", "/api/v1/jobs/x/retry", 404, "not_found"),
        ("DELETE", "/api/v1/jobs/x", 404, "not_found"),
        ("GET", "/api/v1/jobs?state=done", 422, "invalid_request"),
        ("GET", "/api/v1/events?job=x", 404, "not_found"),
        ("GET", "/api/v1/usage/videos", 422, "invalid_request"),
        ("GET", "/v1/videos/x/content?variant=thumbnail", 404, "not_found"),
        ("GET", "/api/v1/voices/nobody", 404, "not_found"),
        ("GET", "/api/v1/voices/nobody/preview", 404, "not_found"),
        ("DELETE", "/api/v1/voices/..%2f..", 404, "not_found"),
        ("GET", "/api/v1/avatars/nobody/picture", 404, "not_found"),
        ("GET", "/api/v1/videos?limit=0", 422, "invalid_request"),
        ("GET", "/api/v1/videos?limit=1000", 422, "invalid_request"),
        ("GET", "/api/v1/videos/x?wait=nan", 422, "invalid_request"),
        ("GET", "/api/v1/portraits?size=100000", 422, "invalid_request"),
        ("GET", "/api/v1/portraits?side=512", 422, "unknown_field"),
        ("GET", "/api/v1/portraits?seed=1&seed=2", 422, "given_twice"),
        ("POST", "/api/v1/videos?text=Hello", 422, "unknown_field"),
        ("GET", "/v1/models?x", 422, "unknown_field"),
        ("GET", "/api/v1/portraits?backend=sdxl", 422, "unknown_name"),
    ],
)
def test_errors_have_one_shape(api: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    answer = api.request(method, path)
    assert answer.status_code == status, answer.text
    assert error(answer)["code"] == code

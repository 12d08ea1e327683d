"""Pictures and films enlarged, by the running application."""

from __future__ import annotations

import io

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.api.conftest import refused

pytestmark = pytest.mark.server

WAIT = {"wait": 120}


def test_a_picture_is_enlarged(api: httpx.Client, photo: bytes, astronaut: np.ndarray) -> None:
    answer = api.post("/api/v1/image/upscale", data={"factor": "1.5"}, files={"picture": ("p.png", photo)})
    assert answer.headers["content-type"] == "image/png", answer.text
    large = Image.open(io.BytesIO(answer.content))
    assert large.size == (768, 768)
    back = np.asarray(large.resize((512, 512), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(back - astronaut).mean() < 1


def test_a_talking_video_is_enlarged_in_the_same_job_and_afterwards(api: httpx.Client) -> None:
    body = {"text": "Larger.", "prompt": "a woman", "size": 128, "fps": 10, "upscale": 2}
    job = api.post("/api/v1/videos", params=WAIT, json=body).json()
    assert job["status"] == "completed", job
    assert (job["result"]["width"], job["result"]["height"]) == (256, 256)
    assert job["result"]["backends"]["upscale"] == "lanczos"
    steps = api.get(f"/api/v1/jobs/{job['id']}").json()["steps"]
    assert [step["name"] for step in steps][-2:] == ["film", "enlarge"]
    film = api.get(f"/api/v1/videos/{job['id']}/content").content
    files = {"video": ("v.mp4", film)}
    again = api.post("/api/v1/clips", params=WAIT, data={"upscale": "1.5", "format": "webm"}, files=files).json()
    assert again["status"] == "completed", again
    assert (again["result"]["width"], again["result"]["frames"]) == (384, job["result"]["frames"])
    with av.open(io.BytesIO(api.get(f"/api/v1/videos/{again['id']}/content").content), "r") as file:
        assert [stream.codec_context.name for stream in file.streams] == ["vp9", "opus"]


@pytest.mark.parametrize(
    ("path", "data", "part", "code", "field"),
    [
        ("/api/v1/image/upscale", {"factor": "9"}, "picture", "invalid_request", "factor"),
        ("/api/v1/image/upscale", {"backend": "none"}, "picture", "unknown_name", "backend"),
        ("/api/v1/clips", {"upscale": "2"}, "video", "not_video", "video"),
        ("/api/v1/clips", {}, "video", "missing_field", "upscale"),
        ("/api/v1/clips", {"upscale": "2", "camera": "still"}, "video", "invalid_request", "camera"),
    ],
)
def test_what_is_wrong_is_said(
    api: httpx.Client, photo: bytes, path: str, data: dict[str, str], part: str, code: str, field: str
) -> None:
    refused(api.post(path, data=data, files={part: ("x", photo)}), code, field)

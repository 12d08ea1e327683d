"""Clips over HTTP, from the running application."""

from __future__ import annotations

import io

import av
import cv2
import httpx
import numpy as np
import pytest

from tests.api.conftest import refused

pytestmark = pytest.mark.server

WAIT = {"wait": 120}


def film(api: httpx.Client, video_id: str) -> tuple[list[np.ndarray], int]:
    """Its pictures as RGB, and how many sound tracks it has."""
    data = api.get(f"/api/v1/videos/{video_id}/content").content
    with av.open(io.BytesIO(data), "r") as file:
        tracks = len(file.streams.audio)
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(file.streams.video[0])], tracks


def test_a_picture_becomes_a_film(api: httpx.Client, photo: bytes, astronaut: np.ndarray) -> None:
    asked = {"seconds": "1", "camera": "zoom_in", "width": "320", "height": "240", "strength": "2"}
    answer = api.post("/api/v1/clips", params=WAIT, data=asked, files={"picture": ("p.png", photo)})
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/videos/{job['id']}"
    result = job["result"]
    assert (result["width"], result["height"], result["frames"], result["seconds"]) == (320, 240, 25, 1)
    assert result["backends"] == {"motion": "kenburns"}
    frames, tracks = film(api, job["id"])
    assert (len(frames), tracks, frames[0].shape) == (25, 0, (240, 320, 3))
    whole = cv2.resize(astronaut[64:448], (320, 240), interpolation=cv2.INTER_AREA)
    assert np.abs(whole.astype(int) - frames[0]).mean() < 6, "it begins with all of the picture that fits"
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() > 3


def test_a_drawn_picture_becomes_one_as_well_and_is_found_among_the_videos(api: httpx.Client) -> None:
    body = {"prompt": "a woman with red hair", "seconds": 0.4, "camera": "orbit_left", "width": 128, "height": 128}
    job = api.post("/api/v1/clips", params=WAIT, json=body).json()
    assert job["result"]["backends"] == {"avatar": "procedural", "motion": "kenburns"}
    assert api.get("/api/v1/videos", params={"limit": 1}).json()["data"][0]["id"] == job["id"]
    steps = api.get(f"/api/v1/jobs/{job['id']}").json()["steps"]
    assert [(step["name"], step["state"]) for step in steps] == [("draw", "completed"), ("move", "completed")]
    theirs = api.get(f"/v1/videos/{job['id']}").json()
    assert (theirs["model"], theirs["size"]) == ("motion-kenburns", "128x128")
    still = api.get(f"/v1/videos/{job['id']}/content", params={"variant": "spritesheet"})
    assert still.headers["content-type"] == "image/webp"


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_field", "picture"),
        ({"prompt": "x", "camera": "spin"}, "invalid_request", "camera"),
        ({"prompt": "x", "width": 129}, "invalid_request", "width"),
        ({"prompt": "x", "strength": 3}, "invalid_request", "strength"),
        ({"prompt": "x", "text": "x"}, "unknown_field", "text"),
        ({"prompt": "x", "backends": {"motion": "none"}}, "unknown_name", "backends.motion"),
    ],
)
def test_what_is_wrong_is_said(api: httpx.Client, body: dict[str, object], code: str, field: str) -> None:
    refused(api.post("/api/v1/clips", json=body), code, field)


def test_a_picture_has_to_be_one(api: httpx.Client) -> None:
    refused(api.post("/api/v1/clips", files={"picture": ("p.png", b"no picture")}), "not_image", "picture")

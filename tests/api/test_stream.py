"""Videos that are watched while they are made, over real HTTP."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import av
import httpx
import numpy as np
import pytest

from pipeline.contracts import VideoJob
from pipeline.settings import Settings
from tests.api.conftest import refused
from tests.pipeline.media.boxes import boxes

pytestmark = pytest.mark.server

STREAM = "/api/v1/videos/stream"
SCRIPT = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It's easy to tell the "
    "depth of a well. These days a chicken leg is a rare dish. Rice is often served in round bowls."
)
ASKED: dict[str, Any] = {"text": SCRIPT, "prompt": "a man", "size": 128, "seed": 4}


def decoded(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Luma of the frames, and the sound."""
    with av.open(io.BytesIO(data), "r") as file:
        pictures = np.stack([frame.to_ndarray()[:128] for frame in file.decode(video=0)]).astype(np.int32)
    with av.open(io.BytesIO(data), "r") as file:
        return pictures, np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def test_the_stream_is_the_video_that_the_request_makes(api: httpx.Client) -> None:
    answer = api.post(STREAM, json=ASKED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert "content-length" not in answer.headers
    job = VideoJob(**api.post("/api/v1/videos", params={"wait": 100}, json=ASKED).json())
    assert job.result is not None, job
    frames, sound = decoded(answer.content)
    usual, heard = decoded(api.get(f"/api/v1/videos/{job.id}/content").content)
    assert len(frames) == len(usual) == job.result.frames
    assert abs(len(sound) / 48_000 - len(frames) / 25) < 1 / 25
    noise = np.square(frames - usual).mean(axis=(1, 2))
    assert 10 * np.log10(255**2 / noise.max()) > 32  # what two encodings of the same pictures differ by
    count = min(len(sound), len(heard))
    assert np.abs(sound[:count] - heard[:count]).max() < 1e-3


def test_it_comes_as_it_is_made(api: httpx.Client) -> None:
    """The header first, and fragments that can be decoded as far as they have come."""
    grown = b""
    with api.stream("POST", STREAM, json={**ASKED, "text": SCRIPT * 10, "seed": 5}) as answer:
        for piece in answer.iter_raw():
            grown += piece
            if boxes(grown).count("mdat") >= 3:
                break
    assert boxes(grown)[:4] == ["ftyp", "moov", "moof", "mdat"]
    frames, sound = decoded(grown)
    assert 24 <= len(frames) < 25 * 60
    assert abs(len(sound) / 48_000 - len(frames) / 25) < 0.1


def test_several_at_once_are_what_each_is_alone(api: httpx.Client) -> None:
    requests = [{**ASKED, "text": SCRIPT[number:], "pitch": number} for number in (0, 4, 10)]

    def made(request: dict[str, Any]) -> bytes:
        return api.post(STREAM, json=request).content

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(made, requests))
    assert together == [made(request) for request in requests]
    assert len(set(together)) == 3


def test_readers_who_go_away_leave_no_work_behind(api: httpx.Client) -> None:
    """A long script each, more of them one after the other than may be streamed at once: all but the first few could
    not begin if those before them went on."""
    for _ in range(Settings().jobs.streams + 2):
        end = time.monotonic() + 120
        while True:  # that somebody has gone is known a moment later
            with api.stream("POST", STREAM, json={**ASKED, "text": SCRIPT * 10}) as answer:
                if answer.status_code == 200:
                    assert next(answer.iter_raw())[4:8] == b"ftyp"
                    break
                assert answer.status_code == 429
            assert time.monotonic() < end, "their places are still taken"
            time.sleep(0.2)  # nobody is told when a place is free


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"format": "gif"}, "not_streamed", "format"),
        ({"upscale": 2}, "not_streamed", "upscale"),
        ({"camera": "pan_left"}, "not_streamed", "camera"),
        ({"text": None}, "missing_field", "text"),
        ({"text": "..."}, "nothing_to_say", "text"),
        ({"voice": "nobody"}, "unknown_name", "voice"),
        ({"avatar": "nobody"}, "two_sources", "prompt"),
        ({"backends": {"lipsync": "none"}}, "unknown_name", "backends.lipsync"),
    ],
)
def test_what_is_refused_is_refused_as_for_any_video(
    api: httpx.Client, change: dict[str, Any], code: str, field: str
) -> None:
    answer = api.post(STREAM, json={**ASKED, **change})
    refused(answer, code, field)


def test_a_file_goes_in_as_for_any_video(api: httpx.Client, photo: bytes) -> None:
    fields = {"text": "Hello there.", "size": "128"}
    answer = api.post(STREAM, data=fields, files={"portrait": ("her.png", photo, "image/png")})
    assert answer.status_code == 200
    assert boxes(answer.content)[:2] == ["ftyp", "moov"]
    answer = api.post(STREAM, data=fields, files={"portrait": ("no.png", b"none", "image/png")})
    refused(answer, "not_image", "portrait")

"""Videos for players of HLS, and content of videos that are being made, over real HTTP."""

from __future__ import annotations

import io
import time
from typing import Any

import av
import httpx
import numpy as np
import pytest

from deployments.ingress.content import IMMUTABLE
from pipeline.contracts import VideoJob
from tests.api.conftest import error
from tests.pipeline.media.boxes import boxes

pytestmark = pytest.mark.server

SCRIPT = (
    "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It's easy to tell the "
    "depth of a well. These days a chicken leg is a rare dish. Rice is often served in round bowls. "
)
ASKED: dict[str, Any] = {"prompt": "a man", "size": 128, "seed": 8}


def played(source: Any) -> tuple[list[np.ndarray], list[float], np.ndarray]:
    """What a player shows, when, and what it plays."""
    with av.open(source, "r") as film:
        pictures = list(film.decode(video=0))
    if not isinstance(source, str):
        source.seek(0)
    with av.open(source, "r") as film:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
    return [picture.to_ndarray() for picture in pictures], [picture.time or 0 for picture in pictures], sound


def made(api: httpx.Client, **asked: Any) -> VideoJob:
    job = VideoJob(**api.post("/api/v1/videos", params={"wait": 100}, json=ASKED | asked).json())
    assert job.result is not None, job
    return job


def status_and_code(answer: httpx.Response) -> tuple[int, object]:
    return answer.status_code, error(answer)["code"]


def test_a_finished_video_is_played_as_hls(api: httpx.Client) -> None:
    job = made(api, text=SCRIPT * 2)
    base = f"/api/v1/videos/{job.id}/hls"
    playlist = api.get(f"{base}/playlist.m3u8")
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert "immutable" in playlist.headers["cache-control"]
    lines = playlist.text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    seconds = [float(line.removeprefix("#EXTINF:").rstrip(",")) for line in lines if line.startswith("#EXTINF")]
    assert job.result is not None
    assert sum(seconds) == pytest.approx(job.result.seconds)
    assert seconds[0] == 10
    header, first = (api.get(f"{base}/{name}") for name in ("header.mp4", "1.m4s"))
    assert (header.headers["content-type"], boxes(header.content)) == ("video/mp4", ["ftyp", "moov"])
    assert (first.headers["content-type"], boxes(first.content)) == ("video/iso.segment", ["moof", "mdat"])
    assert "immutable" in first.headers["cache-control"]
    shown, times, heard = played(str(api.base_url.join(f"{base}/playlist.m3u8")))
    usual, others, sound = played(io.BytesIO(api.get(f"/api/v1/videos/{job.id}/content").content))
    assert len(shown) == job.result.frames
    assert all(np.array_equal(one, other) for one, other in zip(shown, usual, strict=True))
    assert times == pytest.approx(others, abs=1e-3)
    assert np.array_equal(heard, sound)


def test_a_video_that_is_being_made_is_played_as_it_grows(api: httpx.Client) -> None:
    """Or is finished at any moment: what is asked for first knows no more of the job than what is asked for next."""
    job = VideoJob(**api.post("/api/v1/videos", json=ASKED | {"text": SCRIPT * 3, "seed": 9}).json())
    content, base = f"/api/v1/videos/{job.id}/content", f"/api/v1/videos/{job.id}/hls"
    while (playlist := api.get(f"{base}/playlist.m3u8")).status_code == 503:
        assert playlist.json()["error"]["code"] == "not_begun"
        time.sleep(0.02)
    complete = "#EXT-X-ENDLIST" in playlist.text
    assert playlist.headers["cache-control"] == (IMMUTABLE if complete else "no-store")
    segment = api.get(f"{base}/1.m4s")
    assert segment.headers["cache-control"] in ({IMMUTABLE} if complete else {IMMUTABLE, "no-store"})
    head, grown = api.head(content), api.get(content)
    assert (grown.status_code, grown.headers["content-type"]) == (200, "video/mp4")
    for answer in (head, grown):
        assert (answer.headers["cache-control"] == "no-store") == ("etag" not in answer.headers)
    done = VideoJob(**api.get(f"/api/v1/videos/{job.id}", params={"wait": 100}).json())
    assert done.result is not None, done
    shown, times, heard = played(io.BytesIO(grown.content))
    usual, others, sound = played(io.BytesIO(api.get(content).content))
    assert len(shown) == done.result.frames
    assert all(np.array_equal(one, other) for one, other in zip(shown, usual, strict=True))
    assert times == pytest.approx(others, abs=1e-3)
    assert np.array_equal(heard, sound)
    assert abs(len(sound) / 48_000 - done.result.seconds) < 1 / 25
    finished = api.get(f"{base}/1.m4s")
    assert (finished.content, finished.headers["cache-control"]) == (segment.content, IMMUTABLE)
    assert api.get(f"{base}/playlist.m3u8").text.startswith(playlist.text)


def test_what_is_not_there(api: httpx.Client) -> None:
    job = made(api, text="A word.")
    assert status_and_code(api.get(f"/api/v1/videos/{job.id}/hls/2.m4s")) == (404, "not_found")
    assert api.get(f"/api/v1/videos/{job.id}/hls/0.m4s").status_code == 422
    assert status_and_code(api.get("/api/v1/videos/vid_none/hls/playlist.m3u8")) == (404, "not_found")
    webm = made(api, text="A word.", format="webm")
    assert status_and_code(api.get(f"/api/v1/videos/{webm.id}/hls/playlist.m3u8")) == (409, "not_segmented")

"""lipsync-wav2lip, lipsync-musetalk and motion-svd as deployments, with small networks: over HTTP, films at the end."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from pipeline.media.video import probe, read_frames
from tests.backends.lipsync import films
from tests.serve.published.conftest import Finished

pytestmark = pytest.mark.cluster

TEXT = "Mama buys a pie."

Content = Callable[[dict[str, Any]], Path]


@pytest.mark.parametrize("backend", ["wav2lip", "musetalk"])
def test_a_portrait_talks(finished: Finished, content: Content, backend: str) -> None:
    job = finished("videos", json={"text": TEXT, "prompt": "", "size": 128, "backends": {"lipsync": backend}})
    assert (job["result"]["size"], job["result"]["backends"]["lipsync"]) == (128, backend)
    facts = probe(content(job))
    assert (facts.width, facts.height, facts.fps) == (128, 128, Fraction(25))
    assert facts.audio_seconds is not None
    assert abs(facts.audio_seconds - facts.frames / 25) <= 1 / 25


def test_a_portrait_is_watched_while_it_talks(
    models: httpx.Client, finished: Finished, content: Content, tmp_path: Path
) -> None:
    """In the frames of the video that the same request makes, but for what two encodings differ by."""
    asked = {"text": TEXT, "prompt": "", "size": 128, "backends": {"lipsync": "musetalk"}}
    streamed = models.post("/api/v1/videos/stream", json=asked)
    assert (streamed.status_code, streamed.headers["content-type"]) == (200, "video/mp4"), streamed.text
    path = tmp_path / "streamed.mp4"
    path.write_bytes(streamed.content)
    found, usual = (np.stack(list(read_frames(each))) for each in (path, content(finished("videos", json=asked))))
    assert found.shape == usual.shape
    assert np.abs(found.astype(int) - usual).mean(axis=(1, 2, 3)).max() < 4


@pytest.mark.parametrize("backend", ["wav2lip", "musetalk"])
def test_a_film_is_dubbed(finished: Finished, content: Content, tmp_path: Path, backend: str) -> None:
    """What talks is the face; frames without one stay as they are."""
    source = films.written(tmp_path / "source.mp4")
    files = {"video": ("source.mp4", source.read_bytes())}
    job = finished("videos", data={"text": "Oh my.", "extend": "hold", "backends.lipsync": backend}, files=files)
    path = content(job)
    before, after = probe(source), probe(path)
    assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
    assert after.audio_seconds is not None
    assert abs(after.audio_seconds - after.frames / 25) <= 1 / 25
    changes = [
        np.abs(made.astype(int) - shown).mean()
        for made, shown in zip(read_frames(path), read_frames(source), strict=False)
    ]
    assert len(changes) >= films.COUNT - 1
    assert max(changes[number] for number in films.GONE) < 1
    assert min(change for number, change in enumerate(changes) if number not in films.GONE) > 1


def test_a_picture_is_brought_to_life(finished: Finished, content: Content, photo: bytes) -> None:
    fields = {"seconds": "1.5", "width": "160", "height": "128", "camera": "pan_left", "backends.motion": "svd"}
    job = finished("clips", data=fields, files={"picture": ("p.png", photo)})
    assert job["result"]["backends"] == {"motion": "svd"}
    facts = probe(content(job))
    assert (facts.width, facts.height, facts.fps, facts.frames) == (160, 128, Fraction(25), 38)

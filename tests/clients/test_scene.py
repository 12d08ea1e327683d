"""The scene path as one request, in this process: a picture is drawn, filmed, made to speak and enlarged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.local import LocalApplication
from pipeline import cascade
from pipeline.contracts import Backends, VideoJob, VideoRequest
from pipeline.media.video import probe, read_frames

pytest.importorskip("torch", reason="make models")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    from benchmarks.random_wav2lip import lively, save

    folder = tmp_path_factory.mktemp("scene")
    weights = save(folder / "wav2lip_gan.pth", lively(7).state_dict())
    settings: dict[str, Any] = {
        "storage.folder": str(folder / "data"),
        "lipsync.backends": ["meshwarp", "wav2lip"],
        "options.wav2lip": {"weights": str(weights)},
    }
    running = LocalApplication(cascade.resolve({"profile": "cpu"}, {}, settings))
    yield running
    running.close()


def finished(application: LocalApplication, request: VideoRequest) -> VideoJob:
    async def run() -> VideoJob:
        job = await application.operations.create_video(request)
        while job.status not in ("completed", "failed", "cancelled"):
            job = await application.operations.wait_video(job.id, 60)
        return job

    job = asyncio.run(run())
    assert job.status == "completed", job.error
    return job


def content(application: LocalApplication, job: VideoJob, path: Path) -> Path:
    async def read() -> bytes:
        return b"".join([piece async for piece in application.operations.video_content(job.id)])

    path.write_bytes(asyncio.run(read()))
    return path


def test_from_a_prompt_to_a_film_with_sound(application: LocalApplication, tmp_path: Path) -> None:
    request = VideoRequest(text="Hello.", prompt="a woman", camera="zoom_in", size=256, fps=12.5, upscale=1.5)
    job = finished(application, request)
    result = job.result
    assert result is not None
    assert (result.width, result.height, result.fps, result.format) == (384, 384, 12.5, "mp4")
    # meshwarp is the default, but works on pictures alone: of those that work on films, the first is taken.
    assert result.backends == {
        **{"voice": "espeak", "avatar": "procedural", "motion": "kenburns"},
        **{"face": "mediapipe", "lipsync": "wav2lip", "upscale": "lanczos"},
    }
    facts = probe(content(application, job, tmp_path / "scene.mp4"))
    assert (facts.width, facts.frames, facts.fps) == (384, result.frames, Fraction(25, 2))
    assert facts.audio_codec == "aac"
    assert facts.audio_seconds is not None
    assert abs(facts.audio_seconds - facts.frames / 12.5) <= 1 / 12.5
    steps = asyncio.run(application.operations.job(job.id)).steps
    assert [step.name for step in steps] == ["speak.0001", "draw", "move", "track", "dub", "enlarge"]
    larger = finished(application, request.model_copy(update={"upscale": 2.0}))
    again = {step.name: step.cached for step in asyncio.run(application.operations.job(larger.id)).steps}
    assert again == {**dict.fromkeys(again, True), "enlarge": False}, "only what is different is made"


def test_a_film_is_dubbed_and_only_its_mouth_changes(
    application: LocalApplication, tmp_path: Path, photo: bytes
) -> None:
    made = finished(application, VideoRequest(text="Go on.", portrait=photo, camera="pan_left", size=384, fps=6))
    source = content(application, made, tmp_path / "source.mp4")
    request = VideoRequest(
        text="This is longer than what was said before it.", video=source.read_bytes(), extend="loop",
        backends=Backends(lipsync="wav2lip"),
    )  # fmt: skip
    dubbed = finished(application, request)
    path = content(application, dubbed, tmp_path / "dubbed.mp4")
    before, after = probe(source), probe(path)
    assert after.frames > before.frames
    assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
    assert after.audio_seconds is not None
    assert abs(after.audio_seconds - after.frames / 6) <= 1 / 6
    shown = list(read_frames(source))
    for number, picture in enumerate(read_frames(path)):
        same = shown[number % len(shown)]
        assert np.abs(picture[:40].astype(int) - same[:40]).mean() < 4, "above the face"


def test_what_wav2lip_makes_is_watched_meanwhile(application: LocalApplication, tmp_path: Path) -> None:
    """Stretch by stretch, with the frames and the sound of the video that the same request makes."""
    request = VideoRequest(text="Hello there.", prompt="a woman", size=128, fps=8, backends=Backends(lipsync="wav2lip"))

    async def watched() -> list[bytes]:
        return [piece async for piece in application.operations.stream_video(request)]

    pieces = asyncio.run(watched())
    assert len(pieces) > 1
    streamed = tmp_path / "streamed.mp4"
    streamed.write_bytes(b"".join(pieces))
    whole = content(application, finished(application, request), tmp_path / "whole.mp4")
    there, wanted = (np.stack(list(read_frames(path))).astype(int) for path in (streamed, whole))
    assert there.shape == wanted.shape
    assert np.abs(there - wanted).mean() < 3, "encoded otherwise"

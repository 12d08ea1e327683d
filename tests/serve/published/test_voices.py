"""voice-xtts and voice-coqui as deployments, with small networks: over HTTP, streamed, in videos."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from benchmarks.viseme_corpus import espeak
from pipeline.media.audio import PCM_RATE
from tests.conftest import Server
from tests.serve.published.conftest import Finished

pytestmark = pytest.mark.cluster

TEXT = "Mama buys a pie."
CLIP = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


@pytest.fixture(scope="module")
def profile(models: httpx.Client) -> str:
    """The name of a voice profile."""
    clip, speech = io.BytesIO(), espeak(CLIP, "en-us")
    soundfile.write(clip, speech.samples, speech.sample_rate, format="FLAC")
    made = models.post("/api/v1/voices", data={"name": "Grace"}, files={"clip": clip.getvalue()})
    assert made.status_code == 201, made.text
    assert made.json()["fidelity"] == "clone"
    return "Grace"


def streamed(models: httpx.Client, **body: Any) -> list[bytes]:
    """The pieces that an answer of OpenAI's route came in, as 16-bit samples."""
    asked = {"input": TEXT, "response_format": "pcm", "stream_format": "sse", **body}
    with models.stream("POST", "/v1/audio/speech", json=asked) as answer:
        assert answer.status_code == 200, answer.read()
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    return [base64.b64decode(event["audio"]) for event in events if event["type"] == "speech.audio.delta"]


def test_voices_are_listed(models: httpx.Client) -> None:
    built_in = models.get("/api/v1/voices").json()["builtin"]
    assert list(built_in["coqui"]) == ["p225", "p226"]
    assert list(built_in["xtts"]) == ["Speaker 1", "Speaker 2"]


def test_one_sentence_comes_in_pieces_and_two_of_vits_as_they_are_said(models: httpx.Client) -> None:
    pieces = streamed(models, model="xtts", voice="Speaker 2")
    assert len([piece for piece in pieces if np.frombuffer(piece, "<i2").any()]) >= 2
    assert sum(map(len, pieces)) / 2 / PCM_RATE > 0.9
    assert streamed(models, model="voice-xtts", voice="Speaker 2") == pieces
    assert streamed(models, model="xtts", voice="Speaker 1") != pieces
    said = streamed(models, model="coqui", voice="p226", input=f"{TEXT} {TEXT}")
    assert len(said) >= 2
    assert streamed(models, model="coqui", voice="p225", input=f"{TEXT} {TEXT}") != said


def test_a_profile_is_heard_once(served: Server, models: httpx.Client, profile: str) -> None:
    def kept() -> list[Path]:
        return sorted((served.folder / "data" / "voices").glob("voi_*/conditioning-xtts-*.npz"))

    assert not kept()
    pieces = streamed(models, model="xtts", voice=profile)
    assert pieces != streamed(models, model="xtts", voice="Speaker 1")
    (file,) = kept()
    made = file.stat().st_mtime_ns
    assert streamed(models, model="xtts", voice=profile) == pieces
    assert [path.stat().st_mtime_ns for path in kept()] == [made]


def test_in_videos(models: httpx.Client, finished: Finished, profile: str) -> None:
    def film(voice: str, backend: str) -> dict[str, Any]:
        body = {"text": TEXT, "prompt": "", "size": 128, "voice": voice, "backends": {"voice": backend}}
        steps = models.get(f"/api/v1/jobs/{finished('videos', json=body)['id']}").json()["steps"]
        (spoken,) = [step for step in steps if step["kind"] == "speak"]
        return spoken

    first, again, other = film(profile, "xtts"), film(profile, "xtts"), film("p226", "coqui")
    assert (first["backend"], other["backend"]) == ("xtts", "coqui")
    assert not first["cached"]
    assert again["cached"]
    assert again["key"] == first["key"] != other["key"]
    assert again["artifact"] == first["artifact"] != other["artifact"]


def test_what_can_not_be_said(models: httpx.Client) -> None:
    def refused(**body: Any) -> dict[str, Any]:
        answer = models.post("/api/v1/speech", json={"text": TEXT, **body})
        assert answer.status_code == 422, answer.text
        return answer.json()["error"]

    assert refused(backend="xtts", language="sv")["code"] == "unknown_name"
    assert "p225" in refused(backend="coqui", voice="nobody")["accepted"]
    assert refused(backend="coqui", text="日本。")["code"] == "nothing_to_say"

"""voice-xtts and voice-coqui as deployments, with small networks: over HTTP, streamed, in videos. And the script for a
card runs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from benchmarks import gpu_xtts
from pipeline.contracts import Speech
from pipeline.media.audio import PCM_RATE
from tests.conftest import Server, serving

TEXT = "Mama buys a pie."


@pytest.fixture(scope="module")
def options(checkpoint_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from tests.backends.voice import vits

    several = vits.write(tmp_path_factory.mktemp("coqui"), speakers=("p225", "p226"))
    return {"coqui": {"model": str(several)}, "xtts": {"weights": str(checkpoint_folder)}}


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any]) -> Iterator[Server]:
    settings = (
        f"voice.backends={json.dumps(['coqui', 'xtts'])}",
        *(f"options.{name}={json.dumps(value)}" for name, value in options.items()),
    )
    with serving(tmp_path_factory, *settings) as server:
        yield server


@pytest.fixture(scope="module")
def profile(voices: Server, people: tuple[Speech, Speech]) -> str:
    """The name of a voice profile."""
    clip = io.BytesIO()
    soundfile.write(clip, people[0].samples, people[0].sample_rate, format="FLAC")
    made = httpx.post(
        f"{voices.url}/api/v1/voices", data={"name": "Grace"}, files={"clip": clip.getvalue()}, timeout=60
    )
    assert made.status_code == 201, made.text
    assert made.json()["fidelity"] == "clone"
    return "Grace"


def streamed(server: Server, **body: Any) -> list[bytes]:
    """The pieces that an answer of OpenAI's route came in, as 16-bit samples."""
    asked = {"input": TEXT, "response_format": "pcm", "stream_format": "sse", **body}
    with httpx.stream("POST", f"{server.url}/v1/audio/speech", json=asked, timeout=120) as answer:
        assert answer.status_code == 200, answer.read()
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    return [base64.b64decode(event["audio"]) for event in events if event["type"] == "speech.audio.delta"]


def test_voices_are_listed(voices: Server) -> None:
    built_in = httpx.get(f"{voices.url}/api/v1/voices", timeout=120).json()["builtin"]
    assert list(built_in["coqui"]) == ["p225", "p226"]
    assert list(built_in["xtts"]) == ["Speaker 1", "Speaker 2"]


def test_one_sentence_comes_in_pieces_and_two_of_vits_as_they_are_said(voices: Server) -> None:
    pieces = streamed(voices, model="xtts", voice="Speaker 2")
    assert len([piece for piece in pieces if np.frombuffer(piece, "<i2").any()]) >= 2
    assert sum(map(len, pieces)) / 2 / PCM_RATE > 0.9
    assert streamed(voices, model="voice-xtts", voice="Speaker 2") == pieces
    assert streamed(voices, model="xtts", voice="Speaker 1") != pieces
    said = streamed(voices, model="coqui", voice="p226", input=f"{TEXT} {TEXT}")
    assert len(said) >= 2
    assert streamed(voices, model="coqui", voice="p225", input=f"{TEXT} {TEXT}") != said


def test_a_profile_is_heard_once(voices: Server, profile: str) -> None:
    def kept() -> list[Path]:
        return sorted((voices.folder / "data" / "voices").glob("voi_*/conditioning-xtts-*.npz"))

    assert not kept()
    pieces = streamed(voices, model="xtts", voice=profile)
    assert pieces != streamed(voices, model="xtts", voice="Speaker 1")
    (file,) = kept()
    made = file.stat().st_mtime_ns
    assert streamed(voices, model="xtts", voice=profile) == pieces
    assert [path.stat().st_mtime_ns for path in kept()] == [made]


def test_in_videos(voices: Server, profile: str) -> None:
    def film(**body: Any) -> dict[str, Any]:
        asked = {"text": TEXT, "prompt": "", "size": 128, **body}
        job = httpx.post(f"{voices.url}/api/v1/videos?wait=120", json=asked, timeout=130).json()
        assert job["status"] == "completed", job
        steps = httpx.get(f"{voices.url}/api/v1/jobs/{job['id']}", timeout=30).json()["steps"]
        (spoken,) = [step for step in steps if step["kind"] == "speak"]
        return spoken

    def with_xtts() -> dict[str, Any]:
        return film(voice=profile, backends={"voice": "xtts"})

    first, again, other = with_xtts(), with_xtts(), film(voice="p226")
    assert (first["backend"], other["backend"]) == ("xtts", "coqui")
    assert not first["cached"]
    assert again["cached"]
    assert again["key"] == first["key"] != other["key"]
    assert again["artifact"] == first["artifact"] != other["artifact"]


def test_what_can_not_be_said(voices: Server) -> None:
    def refused(**body: Any) -> dict[str, Any]:
        answer = httpx.post(f"{voices.url}/api/v1/speech", json={"text": TEXT, **body}, timeout=60)
        assert answer.status_code == 422, answer.text
        return answer.json()["error"]

    assert refused(backend="xtts", language="sv")["code"] == "unknown_name"
    assert "p225" in refused(backend="coqui", voice="nobody")["accepted"]
    assert refused(backend="coqui", text="日本。")["code"] == "nothing_to_say"


def test_the_script_for_a_card_runs_without_one(capsys: pytest.CaptureFixture[str], checkpoint_folder: Path) -> None:
    gpu_xtts.main(["--weights", str(checkpoint_folder), "--tokens", "8", "--piece", "5", "--runs", "1"])
    said = capsys.readouterr().out
    assert "real-time factor" in said
    assert "first piece" in said
    import torch

    assert ("NOT RUN" in said) == (not torch.cuda.is_available())

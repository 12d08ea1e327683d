"""What a recording says, and subtitles, by the running application."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
from openai import BadRequestError, OpenAI, UnprocessableEntityError

from pipeline.contracts import Transcription
from tests.api.conftest import SENTENCES, refused, wav

pytestmark = pytest.mark.server

WAIT = {"wait": 120}
OTHER = "Hoist the load to your left shoulder. Take the winding path to reach the lake."


def test_a_known_text_is_found_in_a_recording(api: httpx.Client, clip: bytes) -> None:
    answer = api.post("/api/v1/audio/transcribe", data={"text": SENTENCES}, files={"audio": ("a.wav", clip)})
    assert answer.headers["content-type"] == "application/json", answer.text
    found = Transcription.model_validate_json(answer.content)
    assert (found.text, found.backend, found.language) == (SENTENCES, "align", "en")
    assert [word.text for word in found.words] == SENTENCES.split()
    assert found.confidence > 0.5
    assert 0 < found.words[0].start < found.words[-1].end < found.seconds
    srt = api.post(
        "/api/v1/audio/transcribe", data={"text": SENTENCES, "format": "srt"}, files={"audio": ("a.wav", clip)}
    )
    assert srt.headers["content-type"].startswith("application/x-subrip")
    assert srt.text.splitlines()[2] == "The birch canoe slid on the smooth planks."
    wrong = api.post("/api/v1/audio/transcribe", data={"text": OTHER}, files={"audio": ("a.wav", clip)}).json()
    assert wrong["confidence"] < 0.2


@pytest.mark.parametrize(
    ("data", "sound", "code", "field"),
    [
        ({}, "speech", "text_needed", "text"),
        ({"text": "Hi."}, "nothing", "empty", "audio"),
        ({"text": "Hi."}, "text", "not_audio", "audio"),
        ({"text": "Hi."}, "silence", "silent", "audio"),
        ({"text": "?!"}, "speech", "nothing_to_say", "text"),
        ({"text": "Hi.", "language": "tlh"}, "speech", "unknown_name", "language"),
        ({"text": "Hi.", "backend": "whisper"}, "speech", "unknown_name", "backend"),
        ({"text": "Hi.", "format": "ass"}, "speech", "invalid_request", "format"),
        ({"text": " ".join([SENTENCES] * 8)}, "speech", "text_mismatch", "text"),
    ],
)
def test_what_is_wrong_is_said(
    api: httpx.Client, clip: bytes, data: dict[str, str], sound: str, code: str, field: str
) -> None:
    sounds = {"speech": clip, "nothing": b"", "text": b"no recording", "silence": wav(np.zeros(16_000))}
    answer = api.post("/api/v1/audio/transcribe", data=data, files={"audio": ("a", sounds[sound])})
    found = refused(answer, code, field)
    if code == "text_needed":
        assert "whisper" in str(found["accepted"])


def test_subtitles_of_what_was_spoken_here(api: httpx.Client) -> None:
    body = {"text": SENTENCES, "prompt": "a woman", "size": 128, "fps": 10}
    job = api.post("/api/v1/videos", params=WAIT, json=body).json()
    assert job["status"] == "completed", job
    vtt = api.get(f"/api/v1/videos/{job['id']}/subtitles.vtt")
    assert vtt.headers["content-type"].startswith("text/vtt"), vtt.text
    lines = vtt.text.splitlines()
    assert lines[0] == "WEBVTT"
    assert lines[3] == "The birch canoe slid on the smooth planks."
    assert "00:00:00.0" in lines[2]
    srt = api.get(f"/api/v1/videos/{job['id']}/subtitles.srt")
    assert srt.text.startswith("1\n00:00:00,0")
    refused(api.get(f"/api/v1/videos/{job['id']}/subtitles.ass"), "invalid_request", "format")
    assert api.get("/api/v1/videos/vid_00000000000000000000000000/subtitles.srt").status_code == 404


def test_a_recording_with_its_text_drives_the_lips_and_has_subtitles(api: httpx.Client, clip: bytes) -> None:
    fields = {"prompt": "a man", "size": "128", "fps": "10", "transcript": SENTENCES}
    job = api.post("/api/v1/videos", params=WAIT, data=fields, files={"audio": ("a.wav", clip)}).json()
    assert job["status"] == "completed", job
    assert job["result"]["backends"]["transcribe"] == "align"
    steps = api.get(f"/api/v1/jobs/{job['id']}").json()["steps"]
    assert "transcribe" in [step["name"] for step in steps]
    srt = api.get(f"/api/v1/videos/{job['id']}/subtitles.srt").text
    assert "Glue the sheet" in srt
    wrong = api.post("/api/v1/videos", data=fields | {"transcript": OTHER}, files={"audio": ("a.wav", clip)})
    refused(wrong, "text_mismatch", "transcript")
    spoken = api.post("/api/v1/videos", json={"text": "Hello.", "transcript": "Hello."})
    refused(spoken, "invalid_request", "transcript")


def test_what_nobody_says_has_no_subtitles(api: httpx.Client, photo: bytes, clip: bytes) -> None:
    small = {"seconds": "0.4", "width": "128", "height": "128", "fps": "10"}
    silent = api.post("/api/v1/clips", params=WAIT, data=small, files={"picture": ("p.png", photo)}).json()
    refused(api.get(f"/api/v1/videos/{silent['id']}/subtitles.srt"), "no_speech", None, 409)  # ty: ignore
    fields = {"prompt": "a man", "size": "128", "fps": "10"}
    unknown = api.post("/api/v1/videos", params=WAIT, data=fields, files={"audio": ("a.wav", clip)}).json()
    refused(api.get(f"/api/v1/videos/{unknown['id']}/subtitles.srt"), "text_needed", "text")


def test_openai_s_client_gets_its_shapes(openai: OpenAI, clip: bytes) -> None:
    known = {"text": SENTENCES}
    plain = openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", clip), extra_body=known)
    assert plain.text == SENTENCES
    verbose = openai.audio.transcriptions.create(
        model="transcribe-align",
        file=("a.wav", io.BytesIO(clip)),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
        extra_body=known,
    )
    assert [word.word for word in verbose.words or ()] == SENTENCES.replace(".", "").split()
    segments = verbose.segments or []
    assert [segment.text for segment in segments] == [part.strip() + "." for part in SENTENCES.split(".") if part]
    assert segments[0].end <= segments[1].start
    assert -3 < segments[0].avg_logprob <= 0
    assert verbose.duration == pytest.approx(len(clip) / 2 / 22_050, abs=0.1)
    text = openai.audio.transcriptions.create(
        model="align", file=("a.wav", clip), response_format="text", extra_body=known
    )
    assert str(text).strip() == SENTENCES
    srt = openai.audio.transcriptions.create(
        model="align", file=("a.wav", clip), response_format="srt", extra_body=known
    )
    assert "-->" in str(srt)
    events = list(
        openai.audio.transcriptions.create(model="align", file=("a.wav", clip), stream=True, extra_body=known)
    )
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert "".join(getattr(event, "delta", "") for event in events) == SENTENCES


def test_openai_s_client_is_told_what_is_wrong(openai: OpenAI, clip: bytes) -> None:
    with pytest.raises((UnprocessableEntityError, BadRequestError)) as needed:
        openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", clip))
    assert (needed.value.code, needed.value.param) == ("text_needed", "text")
    with pytest.raises((UnprocessableEntityError, BadRequestError)) as times:
        openai.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", clip), response_format="json", timestamp_granularities=["word"]
        )
    assert times.value.param == "response_format"
    with pytest.raises((UnprocessableEntityError, BadRequestError)) as nothing:
        openai.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound"), extra_body={"text": "Hi."})
    assert (nothing.value.code, nothing.value.param) == ("not_audio", "file")

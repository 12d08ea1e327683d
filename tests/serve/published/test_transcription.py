"""transcribe-whisper as a deployment, with a small network that hears words of its own: over HTTP."""

from __future__ import annotations

import io

import httpx
import pytest
import soundfile

from benchmarks.viseme_corpus import espeak
from pipeline.contracts import Transcription
from tests.serve.published.conftest import Finished

pytestmark = pytest.mark.cluster

TEXT = "The birch canoe slid on the smooth planks."


@pytest.fixture(scope="module")
def recording() -> bytes:
    file, speech = io.BytesIO(), espeak(TEXT, "en-us")
    soundfile.write(file, speech.samples, speech.sample_rate, format="WAV")
    return file.getvalue()


def test_what_nobody_wrote_down_is_recognised(models: httpx.Client, recording: bytes) -> None:
    """Without a name and a text it is the backend that recognises speech, though it is not the first."""
    answer = models.post("/api/v1/audio/transcribe", files={"audio": ("a.wav", recording)})
    assert answer.status_code == 200, answer.text
    found = Transcription.model_validate_json(answer.content)
    assert found.backend == "whisper"
    assert found.words
    assert found.text == " ".join(word.text for word in found.words)
    assert all(0 <= word.start < word.end <= found.seconds + 0.02 for word in found.words)
    srt = models.post(
        "/v1/audio/transcriptions",
        data={"model": "whisper-1", "response_format": "srt"},
        files={"file": ("a.wav", recording)},
    )
    assert "-->" in srt.text, srt.text


def test_a_known_text_keeps_its_words(models: httpx.Client, recording: bytes) -> None:
    fields = {"text": TEXT, "backend": "whisper"}
    answer = models.post("/api/v1/audio/transcribe", data=fields, files={"audio": ("a.wav", recording)})
    found = Transcription.model_validate_json(answer.content)
    assert (found.backend, found.text) == ("whisper", TEXT)
    assert [word.text for word in found.words] == TEXT.split()


def test_a_recording_has_subtitles_without_its_text(models: httpx.Client, finished: Finished, recording: bytes) -> None:
    fields = {"prompt": "", "size": "128", "fps": "10"}
    job = finished("videos", data=fields, files={"audio": ("a.wav", recording)})
    srt = models.get(f"/api/v1/videos/{job['id']}/subtitles.srt")
    assert srt.status_code == 200, srt.text
    assert "-->" in srt.text

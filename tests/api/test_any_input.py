"""Any text and any JSON is either served or refused with a reason: found by Hypothesis, not thought of by us."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.media.audio import decode_audio
from tests.api.conftest import error

pytestmark = pytest.mark.server

TEXT_CODES = {"text_empty", "nothing_to_say", "invalid_characters", "text_too_long"}

bounded = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def post(api: httpx.Client, path: str, body: Any) -> httpx.Response:
    """`body` as JSON in ASCII, which can also say half a surrogate pair."""
    return api.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})


@bounded
@given(
    text=st.text(st.characters(), max_size=200), language=st.sampled_from(["en", "de", "ru", "ar", "hi", "cmn", "ja"])
)
@example(text="ﷺ" * 100, language="ar")  # one character, eighteen when spelt out
@example(text="e" + "\u0301" * 199, language="en")
@example(text="1" * 200, language="en")
@example(text="[[aa]] <speak>\\ %n ${x}", language="en")
def test_any_text(api: httpx.Client, text: str, language: str) -> None:
    answer = post(api, "/api/v1/speech", {"text": text, "language": language})
    if answer.status_code == 200:
        samples, rate = decode_audio(answer.content)
        assert 0 < len(samples) < 300 * rate
    else:
        found = error(answer)
        assert (answer.status_code, found["field"]) == (422, "text"), found
        assert found["code"] in TEXT_CODES


@bounded
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=60),
    speed=st.floats(0.25, 4),
    pitch=st.floats(-12, 12),
    voice=st.sampled_from(["en-us", "en-gb+f2", "f5", "whisper", "klatt4"]),
)
def test_any_prosody(api: httpx.Client, text: str, speed: float, pitch: float, voice: str) -> None:
    body = {"text": f"word {text}", "speed": speed, "pitch": pitch, "voice": voice}
    answer = post(api, "/api/v1/speech", body)
    if answer.status_code == 200:
        assert len(decode_audio(answer.content)[0]) > 0
    else:
        assert (answer.status_code, error(answer)["code"]) == (422, "invalid_characters"), answer.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)

ROUTES = {
    "/api/v1/videos": ("text", "voice", "language", "speed", "pitch", "prompt", "size", "fps", "seed", "backends"),
    "/api/v1/speech": ("text", "voice", "language", "speed", "pitch", "format", "backend"),
    "/api/v1/portraits": ("prompt", "size", "seed", "backend"),
    "/api/v1/avatars": ("name", "prompt", "size", "seed"),
    "/v1/audio/speech": ("input", "model", "voice", "instructions", "response_format", "speed", "stream_format"),
    "/v1/videos": ("prompt", "input_reference", "model", "seconds", "size", "voice", "language"),
    "/v1/images/generations": ("prompt", "model", "n", "size", "quality", "response_format", "stream"),
}


@pytest.mark.parametrize("path", ROUTES)
@bounded
@given(data=st.data())
def test_any_json(api: httpx.Client, path: str, data: st.DataObject) -> None:
    fields = st.fixed_dictionaries({}, optional=dict.fromkeys((*ROUTES[path], "unknown"), json_values))
    answer = post(api, path, data.draw(st.one_of(json_values, fields), label="body"))
    if answer.status_code >= 400:
        assert answer.status_code in {404, 422}, answer.text
        assert error(answer)["field"]
    elif "location" in answer.headers:
        assert api.delete(answer.headers["location"]).is_success


@pytest.mark.parametrize("path", ["/api/v1/voices", "/api/v1/avatars", "/v1/audio/voice_consents"])
@bounded
@given(name=st.text(st.characters(codec="utf-8"), max_size=120), file=st.binary(max_size=200))
def test_any_upload(api: httpx.Client, path: str, name: str, file: bytes) -> None:
    part = {"/api/v1/voices": "clip", "/api/v1/avatars": "portrait", "/v1/audio/voice_consents": "recording"}[path]
    fields = {"name": name} | ({"language": "en"} if part == "recording" else {})
    answer = api.post(path, data=fields, files={part: ("file", file)})
    assert answer.status_code == 422, answer.text
    assert error(answer)["field"] in {"name", part}


@bounded
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=60))
@example(name="..")
@example(name="%2e%2e%2f")
@example(name="\x00")
def test_any_name_in_a_path(api: httpx.Client, name: str) -> None:
    quoted = quote(name, safe="")
    for path in ("voices", "avatars", "videos"):
        if name in {".", ".."}:  # the client resolves these before it asks
            continue
        answer = api.get(f"/api/v1/{path}/{quoted}")
        assert answer.status_code == 404, answer.text
        assert error(answer)["code"] == "not_found"

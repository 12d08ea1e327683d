from __future__ import annotations

import asyncio
import base64
import json

import httpx
import numpy as np
import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI, UnprocessableEntityError

from deployments.ingress.openai_audio import VOICES, stand_in
from pipeline.contracts import AudioFormat
from pipeline.media.audio import CONTENT_TYPES, PCM_RATE, decode_audio

pytestmark = pytest.mark.server

TEXT = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


def seconds(data: bytes, format: AudioFormat) -> float:
    if format == "pcm":
        return len(np.frombuffer(data, "<i2")) / PCM_RATE
    samples, rate = decode_audio(data)
    assert np.abs(samples).max() > 0.1
    return len(samples) / rate


@pytest.mark.parametrize("format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_formats(openai: OpenAI, format: AudioFormat) -> None:
    wanted = seconds(
        openai.audio.speech.create(input=TEXT, model="tts-1", voice="alloy", response_format="wav").read(), "wav"
    )
    with openai.audio.speech.with_streaming_response.create(
        input=TEXT, model="tts-1", voice="alloy", response_format=format
    ) as answer:
        assert answer.headers["content-type"] == CONTENT_TYPES[format]
        assert "content-length" not in answer.headers
        pieces = list(answer.iter_bytes())
    assert seconds(b"".join(pieces), format) == pytest.approx(wanted, abs=0.12)  # frames of up to 50 ms at each end


def test_mp3_is_the_default_and_the_same_again(openai: OpenAI) -> None:
    first = openai.audio.speech.create(input=TEXT, model="tts-1", voice="nova")
    again = openai.audio.speech.create(input=TEXT, model="gpt-4o-mini-tts", voice="nova", response_format="mp3")
    assert first.response.headers["content-type"] == "audio/mpeg"
    assert first.read() == again.read()


def test_events_carry_the_same_bytes(openai: OpenAI) -> None:
    plain = openai.audio.speech.create(input=TEXT, model="tts-1", voice="sage", response_format="wav").read()
    with openai.audio.speech.with_streaming_response.create(
        input=TEXT, model="gpt-4o-mini-tts", voice="sage", response_format="wav", stream_format="sse"
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    *deltas, done = events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert len(deltas) >= 2  # one per sentence at least
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == plain
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage == {
        "input_tokens": len(TEXT),
        "output_tokens": len(deltas),
        "total_tokens": len(TEXT) + len(deltas),
    }


@pytest.mark.parametrize("model", ["espeak", "voice-espeak", "tts-1", "tts-1-hd", "gpt-4o-mini-tts-2025-12-15"])
def test_models(openai: OpenAI, model: str) -> None:
    assert openai.audio.speech.create(input="Hello.", model=model, voice="echo").read()


@pytest.mark.parametrize("model", ["xtts", "gpt-4o", "avatar-procedural", "", "tts-", "voice-voice-espeak"])
def test_unknown_model(openai: OpenAI, model: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        openai.audio.speech.create(input="Hello.", model=model, voice="alloy")
    assert refused.value.code == "model_not_found"
    assert refused.value.param == "model"
    assert "voice-espeak" in str(refused.value.body)


def test_thirteen_voices_are_thirteen(openai: OpenAI) -> None:
    spoken = {
        voice: openai.audio.speech.create(input="Hello.", model="tts-1", voice=voice, response_format="pcm").read()
        for voice in VOICES
    }
    assert len(set(spoken.values())) == 13


def test_voices_of_a_backend_that_we_do_not_know() -> None:
    few: dict[str, tuple[str, ...]] = {"anna": ("de",), "jo": ("en-us", "en"), "sue": ("en-gb",)}
    assert {stand_in(name, few) for name in VOICES} == {"jo", "sue"}
    many: dict[str, tuple[str, ...]] = {f"voice{n}": ("en",) for n in range(20)}
    assert len({stand_in(name, many) for name in VOICES}) == 13
    assert stand_in("alloy", {"anna": ("de",)}) == "anna"


def test_builtin_voice_and_its_language(openai: OpenAI, api: httpx.Client) -> None:
    text = "Guten Tag, wie geht es Ihnen?"
    theirs = openai.audio.speech.create(input=text, model="espeak", voice="de", response_format="wav").read()
    ours = api.post("/api/v1/speech", json={"text": text, "voice": "de", "language": "de"})
    assert theirs == ours.content
    named = openai.audio.speech.create(
        input=text, model="espeak", voice="f1", response_format="wav", extra_body={"language": "de"}
    ).read()
    assert named == api.post("/api/v1/speech", json={"text": text, "voice": "f1", "language": "de"}).content


def test_voice_as_an_object(openai: OpenAI) -> None:
    by_name = openai.audio.speech.create(input="Hello.", model="tts-1", voice="en-gb").read()
    assert openai.audio.speech.create(input="Hello.", model="tts-1", voice={"id": "en-gb"}).read() == by_name


def test_speed(openai: OpenAI) -> None:
    def spoken(speed: float) -> float:
        return seconds(
            openai.audio.speech.create(
                input=TEXT, model="tts-1", voice="alloy", speed=speed, response_format="wav"
            ).read(),
            "wav",
        )

    assert spoken(2) == pytest.approx(spoken(1) / 2, rel=0.1)
    assert spoken(0.5) == pytest.approx(spoken(1) * 2, rel=0.1)


def test_instructions_are_said_to_be_ignored(openai: OpenAI) -> None:
    answer = openai.audio.speech.create(input="Hello.", model="tts-1", voice="alloy", instructions="Whisper.")
    assert answer.response.headers["x-mouthpiece-ignored"] == "instructions"
    plain = openai.audio.speech.create(input="Hello.", model="tts-1", voice="alloy")
    assert "x-mouthpiece-ignored" not in plain.response.headers
    assert plain.read() == answer.read()


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"input": ""}, "text_empty", "input"),
        ({"input": " \n "}, "text_empty", "input"),
        ({"input": "?!…"}, "nothing_to_say", "input"),
        ({"input": "a\x00b"}, "invalid_characters", "input"),
        ({"input": "a" * 4097}, "text_too_long", "input"),
        ({"input": 7}, "invalid_request", "input"),
        ({"voice": "nobody"}, "unknown_name", "voice"),
        ({"voice": {"id": "voi_00000000000000000000000000"}}, "unknown_name", "voice"),
        ({"voice": {"name": "alloy"}}, "invalid_request", "voice"),
        ({"voice": ""}, "invalid_request", "voice"),
        ({"response_format": "ogg"}, "invalid_request", "response_format"),
        ({"stream_format": "ws"}, "invalid_request", "stream_format"),
        ({"speed": 5}, "invalid_request", "speed"),
        ({"speed": "fast"}, "invalid_request", "speed"),
        ({"language": "xx"}, "unknown_name", "language"),
        ({"temperature": 1}, "unknown_field", "temperature"),
    ],
)
@pytest.mark.parametrize("stream_format", ["audio", "sse"])
def test_refused(openai: OpenAI, change: dict[str, object], code: str, param: str, stream_format: AudioFormat) -> None:
    body = {"stream_format": stream_format} | change
    with pytest.raises(UnprocessableEntityError) as refused:
        openai.audio.speech.create(input="Hello.", model="tts-1", voice="alloy", extra_body=body)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.type == "invalid_request_error"
    assert openai.audio.speech.create(input="Hello.", model="tts-1", voice="alloy").read()


def test_missing_field(api: httpx.Client) -> None:
    answer = api.post("/v1/audio/speech", json={"input": "Hello.", "model": "tts-1"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "missing_field"
    assert answer.json()["error"]["param"] == "voice"


def test_no_such_route(openai: OpenAI) -> None:
    with pytest.raises(NotFoundError) as refused:
        openai.embeddings.create(input="Hello.", model="x")
    assert refused.value.code == "not_found"
    assert refused.value.type == "invalid_request_error"


def test_async_client(server: str, openai: OpenAI) -> None:
    async def spoken() -> bytes:
        async with AsyncOpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
            answer = await client.audio.speech.create(input="Hello.", model="tts-1", voice="verse")
            return await answer.aread()

    assert asyncio.run(spoken()) == openai.audio.speech.create(input="Hello.", model="tts-1", voice="verse").read()

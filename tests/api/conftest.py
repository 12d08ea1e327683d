"""Real clients of the running application."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from openai import OpenAI

SENTENCES = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


@pytest.fixture(scope="session")
def api(server: str) -> Iterator[httpx.Client]:
    """Plain HTTP."""
    with httpx.Client(base_url=server, timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def openai(server: str) -> Iterator[OpenAI]:
    """OpenAI's own client, which knows nothing of us but the address."""
    with OpenAI(base_url=f"{server}/v1", api_key="none is needed", max_retries=0, timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def clip(api: httpx.Client) -> bytes:
    """About five seconds of speech, WAV: a voice to keep, a recording to lip-sync to."""
    answer = api.post("/api/v1/speech", json={"text": SENTENCES, "pitch": 5})
    assert answer.status_code == 200, answer.text
    return answer.content


def wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    """Float samples in [-1, 1] as a 16-bit WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def error(answer: httpx.Response) -> dict[str, object]:
    """The error of an answer, after checking that it has the one shape that errors have."""
    body = answer.json()
    assert set(body) == {"error"}, body
    found = body["error"]
    assert {"code", "message", "retryable"} <= set(found), found
    assert found["message"], found
    return found


def refused(answer: httpx.Response, code: str, field: str, status: int = 422) -> dict[str, object]:
    """The error of an answer, which is this one."""
    found = error(answer)
    assert (answer.status_code, found["code"], found.get("field")) == (status, code, field), found
    assert not found["retryable"]
    return found


@pytest.fixture
def then_a_good_request_works(api: httpx.Client) -> Iterator[None]:
    """Whatever the test did to the server."""
    yield
    answer = api.post("/api/v1/speech", json={"text": "Good."})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 5_000

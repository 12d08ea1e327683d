from __future__ import annotations

import base64
import io

import httpx
import pytest
from openai import NotFoundError, OpenAI, UnprocessableEntityError
from PIL import Image

from deployments.ingress.openai_images import SPACING, seeds

pytestmark = pytest.mark.server

PROMPT = "a woman with long red hair and glasses"


def picture(data: str | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format == "PNG"
    return image


def test_one(openai: OpenAI) -> None:
    answer = openai.images.generate(prompt=PROMPT, model="dall-e-3", size="256x256")
    assert answer.data is not None
    assert [picture(image.b64_json).size for image in answer.data] == [(256, 256)]
    assert (answer.size, answer.output_format, answer.background) == ("256x256", "png", "opaque")
    again = openai.images.generate(prompt=PROMPT, model="procedural", size="256x256")
    assert again.data == answer.data


def test_defaults(openai: OpenAI) -> None:
    answer = openai.images.generate(prompt=PROMPT)
    assert answer.data is not None
    assert picture(answer.data[0].b64_json).size == (512, 512)
    assert answer.size == "512x512"


def test_addresses_draw_the_same_pictures(openai: OpenAI, server: str) -> None:
    drawn = openai.images.generate(prompt=PROMPT, size="128x128", n=3)
    named = openai.images.generate(prompt=PROMPT, size="128x128", n=3, response_format="url")
    assert drawn.data is not None
    assert named.data is not None
    assert len({image.b64_json for image in drawn.data}) == 3
    for image, address in zip(drawn.data, named.data, strict=True):
        assert image.url is None
        assert address.b64_json is None
        assert address.url is not None
        assert address.url.startswith(f"{server}/api/v1/portraits?")
        assert httpx.get(address.url, timeout=60).content == base64.b64decode(image.b64_json or "")


def test_seeds_follow_from_the_prompt() -> None:
    assert seeds("a", 2) == [*seeds("a", 1), seeds("a", 1)[0] + SPACING]
    assert SPACING > 100, "a picture drawn again, as often as avatar.attempts may say, is not the next one"
    assert seeds("a", 1) != seeds("b", 1)
    assert all(0 <= seed < 1 << 53 for seed in seeds("\ud800 anything", 10))


def test_stream(openai: OpenAI) -> None:
    drawn = openai.images.generate(prompt=PROMPT, size="128x128", n=2)
    events = list(openai.images.generate(prompt=PROMPT, size="128x128", n=2, stream=True, partial_images=2))
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    assert drawn.data is not None
    assert [event.b64_json for event in events] == [image.b64_json for image in drawn.data]
    assert events[0].size == "128x128"


def test_what_has_no_effect_is_said(openai: OpenAI) -> None:
    answer = openai.images.with_raw_response.generate(
        prompt=PROMPT, size="128x128", quality="high", style="vivid", user="someone", moderation="auto"
    )
    assert answer.headers["x-mouthpiece-ignored"] == "quality, style, user"
    plain = openai.images.with_raw_response.generate(prompt=PROMPT, size="128x128", quality="auto")
    assert "x-mouthpiece-ignored" not in plain.headers
    assert plain.http_response.json()["data"] == answer.http_response.json()["data"]


@pytest.mark.parametrize("model", ["sdxl", "voice-espeak", "gpt-4"])
def test_unknown_model(openai: OpenAI, model: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        openai.images.generate(prompt=PROMPT, model=model)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert "avatar-procedural" in str(refused.value.body)


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"size": "512x768"}, "invalid_size", "size"),
        ({"size": "511x511"}, "invalid_size", "size"),
        ({"size": "0x0"}, "invalid_size", "size"),
        ({"size": "10000x10000"}, "invalid_size", "size"),
        ({"size": "٥١٢x٥١٢"}, "invalid_size", "size"),
        ({"size": "big"}, "invalid_size", "size"),
        ({"size": 512}, "invalid_request", "size"),
        ({"n": 0}, "invalid_request", "n"),
        ({"n": 11}, "invalid_request", "n"),
        ({"n": True}, "invalid_request", "n"),
        ({"prompt": ""}, "invalid_request", "prompt"),
        ({"prompt": "a" * 2001}, "invalid_request", "prompt"),
        ({"output_format": "jpeg"}, "invalid_request", "output_format"),
        ({"background": "transparent"}, "invalid_request", "background"),
        ({"response_format": "file"}, "invalid_request", "response_format"),
        ({"response_format": "url", "stream": True}, "invalid_request", "response_format"),
        ({"svg": {"model": "x"}}, "unknown_field", "svg"),
    ],
)
def test_refused(openai: OpenAI, change: dict[str, object], code: str, param: str) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        openai.images.generate(prompt=PROMPT, extra_body=change)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.type == "invalid_request_error"

"""avatar-sd15 and avatar-sdxl as deployments, with small networks, over HTTP."""

from __future__ import annotations

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from pipeline.contracts import Picture
from tests.serve.published.conftest import Finished

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def head(astronaut: Picture) -> Picture:
    """The photo around its face: as much as the small networks can draw."""
    return np.ascontiguousarray(astronaut[:256, 96:352])


@pytest.fixture(scope="module")
def begun(head: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(head).save(buffer, "PNG")
    return buffer.getvalue()


def shown(data: bytes) -> Picture:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("backend", ["sd15", "sdxl"])
def test_a_portrait_from_a_photo(models: httpx.Client, begun: bytes, head: Picture, backend: str) -> None:
    fields = {"prompt": "a woman", "backend": backend, "size": "256", "seed": "5", "strength": "0.05", "style": "none"}
    answers = [models.post("/api/v1/portraits", data=fields, files={"image": begun}) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200, answer.text
    assert answers[0].content == answers[1].content
    assert answers[0].headers["x-mouthpiece-seed"] == "5"
    assert "x-mouthpiece-refused" not in answers[0].headers
    picture = shown(answers[0].content)
    assert picture.shape == (256, 256, 3)
    assert np.corrcoef(picture.ravel(), head.ravel())[0, 1] > 0.85


@pytest.mark.parametrize("backend", ["sd15", "sdxl"])
def test_noise_is_looked_at_and_refused_with_the_reasons(models: httpx.Client, backend: str) -> None:
    body = {"prompt": "a woman", "backend": backend, "size": 128, "seed": 7, "steps": 2}
    answer = models.post("/api/v1/portraits", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (422, "no_usable_face", "prompt")
    assert "Seed 7: " in error["message"]
    assert "Seed 8: " in error["message"]
    assert "Seed 9: " not in error["message"]


def test_a_video_fails_of_it_by_its_name(models: httpx.Client) -> None:
    drawing = {"steps": 2, "style": "studio"}
    body = {"text": "Mama.", "prompt": "a woman", "size": 128, "drawing": drawing, "backends": {"avatar": "sd15"}}
    job = models.post("/api/v1/videos", params={"wait": 120}, json=body).json()
    assert (job["status"], job["error"]["code"]) == ("failed", "no_usable_face")


def test_a_film_of_anything_that_was_drawn(finished: Finished) -> None:
    body = {"prompt": "a harbour", "seconds": 0.2, "width": 128, "height": 128, "drawing": {"steps": 2}}
    job = finished("clips", json={**body, "backends": {"avatar": "sd15"}})
    assert job["result"]["backends"] == {"avatar": "sd15", "motion": "kenburns"}


def test_a_face_that_is_kept_is_drawn_as_asked(models: httpx.Client) -> None:
    """The small network's own noise has no face: what it was told is in what it says of that."""
    body = {"name": "Eve", "prompt": "a woman", "backend": "sd15", "seed": 7, "steps": 2, "style": "studio"}
    error = models.post("/api/v1/avatars", json=body).json()["error"]
    assert (error["code"], error["field"]) == ("no_usable_face", "prompt")
    assert "avatar-sd15" in error["message"]
    unknown = models.post("/api/v1/avatars", json={**body, "style": "baroque"}).json()["error"]
    assert (unknown["code"], unknown["field"]) == ("unknown_name", "style")


def test_openai_s_routes(models: httpx.Client, begun: bytes) -> None:
    fields = {"prompt": "a woman", "model": "avatar-sdxl", "size": "256x256", "strength": "0.05", "n": "2"}
    answer = models.post("/v1/images/edits", data=fields, files={"image": begun})
    assert answer.status_code == 200, answer.text
    pictures = [shown(base64.b64decode(image["b64_json"])) for image in answer.json()["data"]]
    assert [picture.shape for picture in pictures] == [(256, 256, 3)] * 2
    assert not np.array_equal(pictures[0], pictures[1])
    body = {"prompt": "a woman", "model": "sd15", "drawing": {"steps": 2, "style": "baroque"}}
    error = models.post("/v1/images/generations", json=body).json()["error"]
    assert (error["code"], error["param"]) == ("unknown_name", "drawing.style")
    named = models.post(
        "/v1/images/generations", json={**body, "drawing": {"steps": 3}, "response_format": "url"}
    ).json()
    assert "steps=3" in named["data"][0]["url"]


def test_what_a_request_gets_wrong(models: httpx.Client, photo: bytes) -> None:
    def post(**body: object) -> dict[str, object]:
        return models.post("/api/v1/portraits", json={"backend": "sd15", **body}).json()["error"]

    assert post(loras={"warm": 1.0})["field"] == "loras"
    assert post(style="baroque")["field"] == "style"
    assert post(strength=0.5)["field"] == "strength"
    assert post(prompt="long " * 90)["code"] == "too_long"
    assert (found := post(backend="procedural", steps=3))["code"] == "not_honoured", found
    begun = models.post("/api/v1/portraits", data={"backend": "procedural"}, files={"image": photo}).json()["error"]
    assert (begun["code"], begun["field"]) == ("not_honoured", "image")

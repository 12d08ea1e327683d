"""avatar-sd15 and avatar-sdxl as deployments: small networks, over HTTP. And the script for a card runs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from benchmarks import gpu_diffusion
from pipeline.contracts import Picture
from tests.backends.avatar.diffusion.published import save
from tests.conftest import serving


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Networks that give back what they began with: a photo stays one, noise stays noise."""
    folder = tmp_path_factory.mktemp("models")
    shared = {"steps": 40, "threads": 1, "precision": "float32"}
    sd15 = {"weights": str(save(folder / "sd15", "sd15", faithful=True)), "image_size": 96, **shared}
    sdxl = {"weights": str(save(folder / "sdxl", "sdxl", faithful=True)), "side": 96, **shared}
    settings = (
        'avatar.backends=["sd15", "sdxl", "procedural"]',
        "avatar.attempts=2",
        f"options.sd15={json.dumps(sd15)}",
        f"options.sdxl={json.dumps(sdxl)}",
    )
    with serving(tmp_path_factory, *settings) as server, httpx.Client(base_url=server.url, timeout=120) as client:
        yield client


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
def test_a_portrait_from_a_photo(drawing: httpx.Client, begun: bytes, head: Picture, backend: str) -> None:
    fields = {"prompt": "a woman", "backend": backend, "size": "256", "seed": "5", "strength": "0.05", "style": "none"}
    answers = [drawing.post("/api/v1/portraits", data=fields, files={"image": begun}) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200, answer.text
    assert answers[0].content == answers[1].content
    assert answers[0].headers["x-mouthpiece-seed"] == "5"
    assert "x-mouthpiece-refused" not in answers[0].headers
    picture = shown(answers[0].content)
    assert picture.shape == (256, 256, 3)
    assert np.corrcoef(picture.ravel(), head.ravel())[0, 1] > 0.85


@pytest.mark.parametrize("backend", ["sd15", "sdxl"])
def test_noise_is_looked_at_and_refused_with_the_reasons(drawing: httpx.Client, backend: str) -> None:
    body = {"prompt": "a woman", "backend": backend, "size": 128, "seed": 7, "steps": 2}
    answer = drawing.post("/api/v1/portraits", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (422, "no_usable_face", "prompt")
    assert "Seed 7: " in error["message"]
    assert "Seed 8: " in error["message"]
    assert "Seed 9: " not in error["message"]


def test_a_video_fails_of_it_by_its_name(drawing: httpx.Client) -> None:
    body = {"text": "Mama.", "prompt": "a woman", "size": 128, "drawing": {"steps": 2, "style": "studio"}}
    job = drawing.post("/api/v1/videos", params={"wait": 120}, json=body).json()
    assert (job["status"], job["error"]["code"]) == ("failed", "no_usable_face")


def test_a_film_of_anything_that_was_drawn(drawing: httpx.Client) -> None:
    body = {"prompt": "a harbour", "seconds": 0.2, "width": 128, "height": 128, "drawing": {"steps": 2}}
    job = drawing.post("/api/v1/clips", params={"wait": 120}, json=body).json()
    assert job["status"] == "completed", job
    assert job["result"]["backends"] == {"avatar": "sd15", "motion": "kenburns"}


def test_openai_s_routes(drawing: httpx.Client, begun: bytes) -> None:
    fields = {"prompt": "a woman", "model": "avatar-sdxl", "size": "256x256", "strength": "0.05", "n": "2"}
    answer = drawing.post("/v1/images/edits", data=fields, files={"image": begun})
    assert answer.status_code == 200, answer.text
    pictures = [shown(base64.b64decode(image["b64_json"])) for image in answer.json()["data"]]
    assert [picture.shape for picture in pictures] == [(256, 256, 3)] * 2
    assert not np.array_equal(pictures[0], pictures[1])
    body = {"prompt": "a woman", "model": "sd15", "drawing": {"steps": 2, "style": "baroque"}}
    error = drawing.post("/v1/images/generations", json=body).json()["error"]
    assert (error["code"], error["param"]) == ("unknown_name", "drawing.style")
    named = drawing.post(
        "/v1/images/generations", json={**body, "drawing": {"steps": 3}, "response_format": "url"}
    ).json()
    assert "steps=3" in named["data"][0]["url"]


def test_what_a_request_gets_wrong(drawing: httpx.Client, photo: bytes) -> None:
    def post(**body: object) -> dict[str, object]:
        return drawing.post("/api/v1/portraits", json=body).json()["error"]

    assert post(loras={"warm": 1.0})["field"] == "loras"
    assert post(style="baroque")["field"] == "style"
    assert post(strength=0.5)["field"] == "strength"
    assert post(prompt="long " * 90)["code"] == "too_long"
    assert (found := post(backend="procedural", steps=3))["code"] == "not_honoured", found
    begun = drawing.post("/api/v1/portraits", data={"backend": "procedural"}, files={"image": photo}).json()["error"]
    assert (begun["code"], begun["field"]) == ("not_honoured", "image")


def test_the_script_for_a_card_runs_without_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpu_diffusion.main(["--tiny", "--steps", "2", "--folder", str(tmp_path)])
    said = capsys.readouterr().out
    assert "sd15" in said
    assert "sdxl" in said
    assert "times diffusers" in said
    import torch

    assert ("NOT RUN" in said) == (not torch.cuda.is_available())

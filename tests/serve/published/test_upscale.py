"""upscale-realesrgan as a deployment, with a small network: pictures and films, over HTTP."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from benchmarks.random_realesrgan import write
from deployments.backends.upscale.realesrgan import RealEsrgan
from pipeline.contracts import Picture, UpscaleRequest
from pipeline.media.video import probe
from tests.conftest import torch_threads
from tests.pipeline.test_enlarge import film
from tests.serve.published.conftest import Finished

pytestmark = pytest.mark.cluster


def test_a_picture_is_what_the_network_makes_of_it(models: httpx.Client, astronaut: Picture, tmp_path: Path) -> None:
    part = np.ascontiguousarray(astronaut[60:140, 180:280])
    file = io.BytesIO()
    Image.fromarray(part).save(file, "PNG")
    fields = {"factor": "3", "backend": "realesrgan"}
    answer = models.post("/api/v1/image/upscale", data=fields, files={"picture": ("p.png", file.getvalue())})
    assert answer.headers["content-type"] == "image/png", answer.text
    large = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))
    with torch_threads(1):
        wanted = RealEsrgan(weights=str(write(tmp_path)), tile=64).upscale(UpscaleRequest(part, 300, 240))
    assert np.abs(large.astype(int) - wanted).max() <= 1
    assert np.abs(large.astype(int) - np.asarray(Image.fromarray(part).resize((300, 240)))).mean() > 5


def test_a_film_keeps_its_frames_and_its_sound(
    finished: Finished, content: Callable[[dict[str, Any]], Path], astronaut: Picture, tmp_path: Path
) -> None:
    source = film(tmp_path / "source.mp4", np.ascontiguousarray(astronaut[60:140, 180:276]), frames=4)
    files = {"video": ("source.mp4", source.read_bytes())}
    job = finished("clips", data={"upscale": "1.5", "backends.upscale": "realesrgan"}, files=files)
    assert job["result"]["backends"] == {"upscale": "realesrgan"}
    before, after = probe(source), probe(content(job))
    assert (after.width, after.height) == (144, 120)
    assert (after.frames, after.fps, after.audio_codec) == (before.frames, before.fps, before.audio_codec)

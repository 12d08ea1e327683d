"""The scripts for a card run without one, on small networks, and say that they did."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import gpu, gpu_memory
from deployments.backends import registry
from deployments.placement.footprints import Footprints, key
from pipeline.cascade import resolve
from pipeline.settings import Settings
from tests.conftest import torch_threads

torch = pytest.importorskip("torch", reason="make models")

CHOSEN = {
    "musetalk": ["--seconds", "0.4", "--batch", "4", "--size", "128"],
    "wav2lip": ["--seconds", "0.2", "--size", "128", "--threads", "1"],
    "xtts": ["--tokens", "8", "--piece", "5", "--runs", "1"],
    "coqui": [],
    "f5": ["--steps", "2"],
    "diffusion": ["--steps", "2"],
    "svd": ["--steps", "1", "--frames", "4", "--decode", "2", "--seconds", "0.08"],
    "realesrgan": ["--side", "80", "--frames", "3", "--tile", "64"],
    "whisper": ["--sentences", "1", "--beam", "1", "--runs", "1"],
}
TOLD = {
    "musetalk": ("frames a second, encoded", "paste-back", *(f"done at batch {batch}, s" for batch in (1, 2, 4))),
    "wav2lip": ("frames a second, encoded", "network and copies alone"),
    "xtts": ("real-time factor", "first piece", "language model, GFLOP a second", "vocoder, GFLOP a second"),
    "coqui": ("real-time factor", "GFLOP a second of sound"),
    "f5": ("real-time factor", "transformer, GFLOP a second", "vocoder, all but its last step, ms")
    if find_spec("f5_tts")
    else ("f5-tts==", "PYTHONPATH=FOLDER python -m benchmarks.gpu_f5"),
    "diffusion": (
        *("sd15, a portrait", "sdxl, a portrait", "times diffusers"),
        *(f"sd15, done at image_size {side}, s" for side in (384, 512, 768)),
    ),
    "svd": ("the UNet, ms a step", "the decoder, ms a frame", "frames a second of a film"),
    "realesrgan": ("a picture, s", "frames a second of a film"),
    "whisper": ("encoder, ms of 30 s", "real-time factor", "encoder, GFLOP", "decoder, GFLOP", "times of the words, s"),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.mark.parametrize("name", CHOSEN)
def test_it_runs_and_says_what_was_not_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = [] if name == "wav2lip" else ["--tiny"]  # its real network is small enough
    import_module(f"benchmarks.gpu_{name}").main([*CHOSEN[name], *tiny, "--footprints", str(tmp_path)])
    said = capsys.readouterr().out
    for figure in TOLD[name]:
        assert figure in said
    assert ("NOT RUN: anything about a card" in said) == (not torch.cuda.is_available())


def test_each_of_them_is_among_those_that_are_run() -> None:
    assert set(CHOSEN) == set(gpu.ALL) - set(gpu.OF_THE_CARD)


def test_what_a_card_showed_is_known_to_the_next_start(tmp_path: Path) -> None:
    row = registry.find("motion", "svd")
    gpu_memory.keep(row, 17 * gpu_memory.GIGABYTE + 1, tmp_path, [Settings()])
    gpu_memory.keep(row, gpu_memory.GIGABYTE, tmp_path, [Settings()])
    need = Footprints(tmp_path).need(key("motion-svd", Settings()), round(row.vram_gigabytes * gpu_memory.GIGABYTE))
    assert need == 17 * gpu_memory.GIGABYTE + (64 << 20)


def test_each_size_and_batch_of_the_hardware_profiles_is_known(tmp_path: Path) -> None:
    """What makes no difference to a model is measured once and holds for all of them."""
    cards = (None, 6.0, 12.0, 24.0)
    every = [resolve({}, {}, vram_gigabytes=gigabytes) for gigabytes in cards]
    for row, number, option in (
        (registry.find("avatar", "sd15"), 3, "image_size"),
        (registry.find("lipsync", "musetalk"), 3, "batch"),
        (registry.find("voice", "xtts"), 1, None),
    ):
        kinds = gpu_memory.kinds(row)
        assert [set(kind.options) for kind in kinds] == [{option} - {None}] * number
        for size, kind in enumerate(kinds, 1):
            gpu_memory.keep(row, size * gpu_memory.GIGABYTE, tmp_path, kind.settings)
        for settings in every:
            known = Footprints(tmp_path).need(key(row.deployment, settings), 0) // gpu_memory.GIGABYTE
            own = registry.configured(row, settings)
            assert {name: own[name] for name in kinds[known - 1].options} == kinds[known - 1].options

"""Every published model in small, of random weights in the published layout: options of the backends that run them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import (
    random_musetalk,
    random_realesrgan,
    random_svd,
    random_vits,
    random_wav2lip,
    random_whisper,
    random_xtts,
)
from tests.backends.avatar.diffusion import published as diffusion

SVD = {"pixels": 64 * 64, "clip_frames": 8, "overlap": 3, "steps": 2, "precision": "float32", "threads": 1}
"""Clips of eight frames of 64 x 64."""


def write(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name of each backend, and its options with the weights that were written for it below `folder`."""
    yield "xtts", {"weights": str(random_xtts.write(folder / "xtts", audio_tokens=28))}
    yield "coqui", {"model": str(random_vits.write(folder / "coqui", speakers=("p225", "p226")))}
    # Networks that give back what they began with: a photo stays one, noise stays noise.
    drawn = {"steps": 40, "threads": 1, "precision": "float32"}
    for name, side in (("sd15", "image_size"), ("sdxl", "side")):
        weights = diffusion.save(folder / name, name, faithful=True)
        yield name, {"weights": str(weights), side: 96, **drawn}
    yield "musetalk", random_musetalk.write(folder / "musetalk")
    lips = random_wav2lip.save(folder / "wav2lip_gan.pth", random_wav2lip.lively(7).state_dict())
    yield "wav2lip", {"weights": str(lips), "precision": "float32", "threads": 1}
    yield "svd", {"weights": str(random_svd.write(folder / "svd")), **SVD}
    yield "realesrgan", {"weights": str(random_realesrgan.write(folder / "realesrgan")), "tile": 64}
    yield "whisper", {"weights": str(random_whisper.write(folder / "whisper")), "beam": 1, "threads": 1}

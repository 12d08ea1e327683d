"""Stable Video Diffusion on a card: frames a second of the network and of the film, by stage, and peak memory.

    python -m benchmarks.gpu_svd [--seconds 4] [--steps 25] [--frames 25] [--decode 4] [--folder DIR] [--tiny]

No Ray. Published weights are used where they are on this machine; otherwise the networks have their real size and
random weights, which cost the same time and memory. With --tiny, or where there is no card, they are small and the
figures mean nothing but that the script runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import gpu_memory, gpu_report
from benchmarks.gpu_timing import arithmetic, matrix_rate, watched
from pipeline.contracts import Encoding, MotionRequest

FPS: Final = Fraction(25)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the film, 25 frames a second")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--frames", type=int, default=25, help="frames of a clip of the network")
    parser.add_argument("--decode", type=int, default=4, help="frames decoded at once, 0 for as many as fit")
    parser.add_argument("--folder", type=Path, help="where a model of random weights is made; a temporary one")
    parser.add_argument("--tiny", action="store_true", help="small networks")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not card
    gpu_report.head(gpu_report.machine(torch), f"{chosen.steps} steps, {'small' if tiny else 'real'} networks", card)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        gpu_report.show(measured(chosen, Path(folder), card, tiny))


def measured(chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch
    from skimage import data

    from deployments.backends import device, registry
    from pipeline.steps.film import clip

    if card:
        device.use(device.Cuda(None, 0))
    row = registry.find("motion", "svd")
    options: dict[str, Any] = {
        "weights": _weights(folder, tiny),
        "clip_frames": chosen.frames,
        "overlap": max(1, min(4, chosen.frames // 2)),
        "steps": chosen.steps,
        "decode_frames": chosen.decode,
        **({"pixels": 64 * 64, "threads": 1} if tiny else {}),
    }
    started = time.perf_counter()
    model = registry.load(row, options)
    figures = {"loaded, s": time.perf_counter() - started}
    width, height = (160, 128) if tiny else (1024, 576)
    picture = np.ascontiguousarray(data.astronaut())

    def film(seconds: float) -> int:
        request = MotionRequest(picture, max(1, round(seconds * FPS)), width, height, FPS, "pan_left")
        *_, last = clip(model, request, Encoding())
        return last.frames

    pipeline = model._pipeline
    short = 2 / float(FPS)  # one clip of the network, however little is shown of it
    flop = arithmetic(pipeline.unet, "forward", lambda: film(short))  # and gets warm
    if card:
        torch.cuda.reset_peak_memory_stats()
    with (
        watched(torch, pipeline.unet, "forward", card) as steps,
        watched(torch, pipeline.vae, "decode", card) as decoded,
    ):
        started = time.perf_counter()
        film(short)
        whole = time.perf_counter() - started
    figures[f"a clip of {chosen.frames} frames, s"] = whole
    figures["of that the UNet, ms a step"] = 1000 * sum(steps) / len(steps)
    figures["of that the decoder, ms a frame"] = 1000 * sum(decoded) / chosen.frames
    figures["the network's frames a second"] = chosen.frames / whole
    started = time.perf_counter()
    count = film(chosen.seconds)
    figures[f"frames a second of a film of {chosen.seconds:g} s, encoded"] = count / (time.perf_counter() - started)
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)
        rate = matrix_rate(torch, pipeline.unet.dtype)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        figures["share of it that the UNet uses"] = flop * len(steps) / sum(steps) / 1e12 / rate
    return figures


def _weights(folder: Path, tiny: bool) -> str:
    """The folder of the published model, or of one that is made of random weights."""
    import torch

    from benchmarks.random_svd import REAL, SMALL, write

    if not tiny and (found := gpu_report.published("svd-xt")):
        return found
    return str(write(folder, SMALL if tiny else REAL, device="cuda" if torch.cuda.is_available() else "cpu"))


if __name__ == "__main__":
    main()

"""Wav2Lip on a card or on a CPU: frames a second from sound to an encoded film, and of the network alone.

    python -m benchmarks.gpu_wav2lip [--seconds 10] [--size 512] [--batch 16] [--precision auto] [--threads 2]

No Ray and no weights: the network has its real size, which a CPU bears as well, and random weights. Without a card the
figures are those of the CPU, on so many threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import gpu_memory, gpu_report
from benchmarks.gpu_musetalk import request
from benchmarks.gpu_timing import arithmetic, matrix_rate, watched
from benchmarks.random_wav2lip import lively, save
from pipeline.contracts import Encoding

FPS = 25


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the clip, 25 frames a second")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", choices=["auto", "float32", "float16", "bfloat16"], default="auto")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    what = "the real network with random weights" + ("" if card else f", {chosen.threads} threads")
    gpu_report.head(gpu_report.machine(torch), what, card, "the figures below are the CPU's.")
    with tempfile.TemporaryDirectory() as folder:
        gpu_report.show(measured(chosen, Path(folder), card))


def measured(chosen: argparse.Namespace, folder: Path, card: bool) -> dict[str, float]:
    """Figures by name."""
    import torch

    from deployments.backends import device, registry
    from pipeline.steps.film import film

    if card:
        device.use(device.Cuda(None, 0))
    row = registry.find("lipsync", "wav2lip")
    weights = save(folder / "wav2lip_gan.pth", lively(7).state_dict())
    options = {"batch_frames": chosen.batch, "precision": chosen.precision, "threads": chosen.threads}
    started = time.perf_counter()
    model = registry.load(row, {"weights": str(weights), **options})
    figures = {"loaded, s": time.perf_counter() - started}
    wanted, network = request(chosen.seconds, chosen.size, FPS), model._inference
    flop = arithmetic(network, "faces", lambda: list(model.animate(wanted)))  # of one batch; and gets warm
    if card:
        torch.cuda.reset_peak_memory_stats()

    def drawn() -> object:
        return [len(chunk.planes) for chunk in model.animate(wanted)]

    def encoded() -> object:
        return list(film(model, wanted, Encoding()))

    works: dict[str, Callable[[], object]] = {"not encoded": drawn, "encoded": encoded}
    for name, work in works.items():
        started = time.perf_counter()
        work()
        figures[f"frames a second, {name}"] = wanted.frame_count / (time.perf_counter() - started)
    with watched(torch, network, "faces", card) as batches:
        drawn()
    figures["frames a second, network and copies alone"] = wanted.frame_count / sum(batches)
    first = min(chosen.batch, round(FPS / 2))
    figures["GFLOP a frame"] = flop / first / 1e9
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)
        rate = matrix_rate(torch, torch.float16)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        spent = float(np.sum(batches))
        figures["share of it that the network uses"] = flop / first * wanted.frame_count / spent / 1e12 / rate
    return figures


if __name__ == "__main__":
    main()

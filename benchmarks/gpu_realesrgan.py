"""Real-ESRGAN on a card: seconds a picture, frames a second of a film, how much of the card that uses, and peak memory.

    python -m benchmarks.gpu_realesrgan [--side 512] [--frames 50] [--factor 2] [--tile 256] [--tiny]

No Ray. Published weights are used where they are on this machine; otherwise the network has its real size and random
weights, which cost the same time and memory. With --tiny, or where there is no card, it is small and the figures mean
nothing but that the script runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gpu_memory, gpu_report
from benchmarks.gpu_timing import arithmetic, matrix_rate, timed, watched
from pipeline.contracts import EnlargeRequest, Picture, UpscaleRequest


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="pixels of picture and film, before they are enlarged")
    parser.add_argument("--frames", type=int, default=50, help="of the film")
    parser.add_argument("--factor", type=int, default=2, help="of the film; the network's own is four")
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--tiny", action="store_true", help="a small network")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not card
    what = f"{chosen.side} pixels, {'a small' if tiny else 'the real'} network"
    gpu_report.head(gpu_report.machine(torch), what, card)
    with tempfile.TemporaryDirectory() as folder:
        gpu_report.show(measured(chosen, Path(folder), card, tiny))


def measured(chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch
    from PIL import Image
    from skimage import data

    from deployments.backends import device, registry
    from pipeline.steps.enlarge import enlarge

    if card:
        device.use(device.Cuda(None, 0))
    row, side = registry.find("upscale", "realesrgan"), chosen.side
    started = time.perf_counter()
    model = registry.load(row, {"weights": _weights(folder, tiny), "tile": chosen.tile})
    figures = {"loaded, s": time.perf_counter() - started}
    picture = np.asarray(Image.fromarray(data.astronaut()).resize((side, side)))
    request = UpscaleRequest(picture, model.scale * side, model.scale * side)
    flop = arithmetic(model, "_enlarge", lambda: model.upscale(request))  # of one tile; and gets warm
    if card:
        torch.cuda.reset_peak_memory_stats()
    figures["a picture, s"] = timed(torch, lambda: model.upscale(request), card, 5, 2)
    figures["million pixels a second that go in"] = side**2 / 1e6 / figures["a picture, s"]
    with watched(torch, model, "_enlarge", card) as tiles:
        model.upscale(request)
    figures[f"tiles of {min(chosen.tile, side)} pixels"] = len(tiles)
    figures["network and copies, ms a tile"] = 1000 * sum(tiles) / len(tiles)
    file = np.fromfile(_film(folder / "film.mp4", picture, chosen.frames), np.uint8)
    asked = EnlargeRequest(file, chosen.factor * side, chosen.factor * side, chosen.frames)
    started = time.perf_counter()
    *_, last = enlarge(model, asked)
    assert last.frames == chosen.frames
    figures["frames a second of a film, decoded and encoded"] = last.frames / (time.perf_counter() - started)
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)
        rate = matrix_rate(torch, torch.float16)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        figures["share of it used, a tile"] = flop * len(tiles) / sum(tiles) / 1e12 / rate
    return figures


def _film(path: Path, picture: Picture, frames: int) -> Path:
    """The picture, swaying."""
    import cv2

    from pipeline.media.video import VideoWriter

    size: Any = (picture.shape[1], picture.shape[0])
    with VideoWriter(path, size=size, fps=Fraction(25), sample_rate=None) as writer:
        for number in range(frames):
            moved = np.roll(picture, number, axis=1)
            writer.write_frames(np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGB2YUV_I420), np.uint8)[None])
    return path


def _weights(folder: Path, tiny: bool) -> str:
    """The folder of the published model, or of one that is made of random weights."""
    from benchmarks.random_realesrgan import write

    if not tiny and (found := gpu_report.published("realesrgan-x4plus")):
        return found
    return str(write(folder, **({} if tiny else {"channels": 64, "blocks": 23})))


if __name__ == "__main__":
    main()

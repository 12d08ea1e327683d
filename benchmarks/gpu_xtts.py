"""XTTS on a card: how soon it is heard, how long a second of sound takes, by stage, and what memory that needs.

    python -m benchmarks.gpu_xtts [--tokens 215] [--piece 20] [--weights FOLDER] [--tiny]

No Ray. The network has its real size and random weights, or those of a folder; with --tiny, or where there is no card,
it is small and the figures mean nothing but that the script runs. Random weights seldom find an end: `--tokens` are
said, 46 ms each.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import gpu_memory, gpu_report
from benchmarks.gpu_timing import flop, matrix_rate

REAL: Final[dict[str, int]] = {"layers": 30, "channels": 1024, "heads": 16}
"""Sizes of the published model (its config.json)."""
TEXT: Final = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."
CLIP_SECONDS: Final = 10


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=215, help="length of what is said")
    parser.add_argument("--piece", type=int, default=20, help="tokens made before they are heard")
    parser.add_argument("--weights", type=Path, help="folder with config.json, vocab.json and model.pth")
    parser.add_argument("--tiny", action="store_true", help="a small network")
    parser.add_argument("--runs", type=int, default=5)
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not (card or chosen.weights)
    kind = f"the weights of {chosen.weights}" if chosen.weights else "random weights"
    gpu_report.head(gpu_report.machine(torch), f"{'a small' if tiny else 'the real'} network with {kind}", card)
    if not chosen.weights:
        print("NOT RUN: the published weights. How it sounds is not judged here.")
    with tempfile.TemporaryDirectory() as folder:
        gpu_report.show(measured(chosen, Path(folder), card, tiny))


def measured(chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch

    from benchmarks.random_xtts import write
    from deployments.backends import registry
    from deployments.backends.voice.xtts import generation, vocoder
    from deployments.backends.voice.xtts.model import Model
    from deployments.backends.voice.xtts.sampling import Sampling

    weights = chosen.weights or write(folder, **({} if tiny else REAL))
    started = time.perf_counter()
    model = Model(weights, "cuda:0" if card else "cpu")
    figures = {"loaded, s": time.perf_counter() - started}
    network, manner = model._network, Sampling()
    ids = model.encoded(TEXT, "en")
    assert ids is not None
    limit = min(chosen.tokens, model.capacity)
    noise = np.random.default_rng(0).normal(0, 0.1, CLIP_SECONDS * 22_050).astype(np.float32)
    likeness = model.heard(noise, 22_050, 30, 4)
    figures["a clip of 10 s heard, ms"] = 1000 * timed(
        torch, lambda: model.heard(noise, 22_050, 30, 4), card, chosen.runs
    )

    def heard(every: int) -> tuple[float, float, float]:
        """Seconds to the first piece and to the last, and seconds of sound."""
        started, first, samples = time.perf_counter(), 0.0, 0
        for piece in model.said(ids, likeness, manner, limit=limit, every=every, speed=1.0):
            first = first or time.perf_counter() - started
            samples += len(piece)
        return first, time.perf_counter() - started, samples / model.sample_rate

    if card:
        heard(chosen.piece)
        torch.cuda.reset_peak_memory_stats()
    runs = [heard(chosen.piece) for _ in range(chosen.runs)]
    figures["sound made, s"] = runs[0][2]
    figures["first piece, ms, median"] = 1000 * statistics.median(first for first, _, _ in runs)
    figures["real-time factor, median"] = statistics.median(whole / length for _, whole, length in runs)

    def tokens(count: int) -> list[Any]:
        return list(generation.latents(network, ids, likeness, manner, count))

    def heard_of(latents: list[Any]) -> list[Any]:
        return list(vocoder.sound(network, iter(latents), likeness, chosen.piece))

    prefill = timed(torch, lambda: tokens(1), card, chosen.runs)
    latents = tokens(limit)
    spent = {"language model": timed(torch, lambda: tokens(limit), card, chosen.runs)}
    figures["text and speaker, and the first token, ms"] = 1000 * prefill
    if len(latents) > 1:
        figures["every further token, ms"] = 1000 * (spent["language model"] - prefill) / (len(latents) - 1)
    spent["vocoder"] = timed(torch, lambda: heard_of(latents), card, chosen.runs)
    figures["vocoder, ms a second of sound"] = 1000 * spent["vocoder"] / runs[0][2]
    if card:
        figures |= gpu_memory.taken(registry.find("voice", "xtts"), chosen.footprints)
    counted = {"language model": flop(lambda: tokens(limit)), "vocoder": flop(lambda: heard_of(latents))}
    for part, operations in counted.items():
        figures[f"{part}, GFLOP a second of sound"] = operations / runs[0][2] / 1e9
    if card:
        rate = matrix_rate(torch, torch.float32)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        for part, operations in counted.items():
            figures[f"share of it that the {part} uses"] = operations / spent[part] / 1e12 / rate
    return figures


def timed(torch: Any, stage: Callable[[], object], card: bool, runs: int) -> float:
    """Wall seconds of one run, the median of several; on a card after one to get warm."""
    found = []
    for run in range(runs + card):
        started = time.perf_counter()
        stage()
        if card:
            torch.cuda.synchronize()
        if run >= card:
            found.append(time.perf_counter() - started)
    return statistics.median(found)


if __name__ == "__main__":
    main()

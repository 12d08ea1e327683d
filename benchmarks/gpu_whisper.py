"""Whisper on a card: how long a recording takes, by stage, and what memory that needs.

    python -m benchmarks.gpu_whisper [--sentences 12] [--beam 5] [--int8] [--tiny]

No Ray, and no torch: CTranslate2 computes. Published weights are used where they are on this machine; otherwise the
network has its real size and random weights, which say as much as they like: how long the decoder takes depends on
that. With --tiny, or where there is no card, it is small and the figures mean nothing but that the script runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import gpu_memory, gpu_report
from pipeline.contracts import Speech, TranscriptionRequest

SMALL: Final = {"layers": 12, "width": 768, "heads": 12, "inner": 3072}
"""Sizes of the published model."""
TEXT: Final = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background."


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=12, help="pairs of them that the recording has, 5 s each")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--int8", action="store_true", help="weights in eight bits")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="a small network")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import ctranslate2

    card = ctranslate2.get_cuda_device_count() > 0
    tiny = chosen.tiny or not card
    gpu_report.head(f"CTranslate2 {ctranslate2.__version__}", f"{'a small' if tiny else 'the real'} network", card)
    with tempfile.TemporaryDirectory() as folder:
        gpu_report.show(measured(chosen, Path(folder), card, tiny))


def measured(chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import ctranslate2

    from benchmarks.viseme_corpus import espeak
    from deployments.backends import device, registry

    before = gpu_memory.used()
    if card:
        device.use(device.Cuda(None, 0))
    row = registry.find("transcribe", "whisper")
    started = time.perf_counter()
    model = registry.load(row, {"weights": _weights(folder, tiny), "beam": chosen.beam, "int8": chosen.int8})
    figures = {"loaded, s": time.perf_counter() - started}
    recording = Speech.join(espeak(TEXT, "en-us") for _ in range(chosen.sentences))
    request = TranscriptionRequest(recording.samples, recording.sample_rate, language="en")
    words = model.transcribe(request).words
    silence = ctranslate2.StorageView.from_array(np.zeros((1, 80, 3000), np.float32))
    network = model._model.model
    figures["encoder, ms of 30 s"] = 1000 * _timed(lambda: network.encode(silence, to_cpu=True), chosen.runs)
    seconds = _timed(lambda: model.transcribe(request), chosen.runs)
    figures["recording, s"] = recording.seconds
    figures["written down in, s"] = seconds
    figures["real-time factor"] = seconds / recording.seconds
    figures["words found"] = len(words)
    after = gpu_memory.used()
    if card and before is not None and after is not None:
        if chosen.footprints is not None:
            gpu_memory.keep(row, after - before, chosen.footprints, gpu_memory.kinds(row)[0].settings)
        figures["memory of a card that it took, GB"] = (after - before) / gpu_memory.GIGABYTE
        figures["memory of a card that it declares, GB"] = row.vram_gigabytes
    return figures


def _timed(stage: Callable[[], object], runs: int) -> float:
    """Wall seconds, the median of several."""
    found = []
    for _ in range(runs):
        started = time.perf_counter()
        stage()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def _weights(folder: Path, tiny: bool) -> str:
    """The folder of the published model, or of one that is made of random weights."""
    from benchmarks.random_whisper import write

    if not tiny and (found := gpu_report.published("faster-whisper-small")):
        return found
    print("NOT RUN: sense. How much the network writes down, and so how long it takes, is by chance.")
    return str(write(folder, **({} if tiny else SMALL)))


if __name__ == "__main__":
    main()

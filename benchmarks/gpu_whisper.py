"""Whisper on a card: how long a recording takes, by stage, how much of the card that uses, and what memory.

    python -m benchmarks.gpu_whisper [--sentences 12] [--beam 5] [--int8] [--tiny]

No Ray. CTranslate2 computes; torch only measures how quick the card's matrix products are. Published weights are used
where they are on this machine; otherwise the network has its real size and random weights, which say as much as they
like: how long the decoder takes depends on that. It makes a token in each beam at a time, so that it uses little of a
card's arithmetic: memory is its limit. With --tiny, or where there is no card, the network is small and the figures
mean nothing but that the script runs.
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
from benchmarks.gpu_timing import matrix_rate
from benchmarks.whisper_work import SMALL, TINY, Sizes
from pipeline.contracts import Speech, TranscriptionRequest

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
    stages = model._model.model = _Stages(network, TINY if tiny else SMALL)
    model.transcribe(request)
    figures |= {f"{name}, s": spent for name, spent in stages.seconds.items()}
    figures["tokens that it made, in all beams"] = stages.tokens
    figures |= {f"{name}, GFLOP": flop / 1e9 for name, flop in stages.flop.items()}
    if card:
        figures |= _shares(stages)
    if card and before is not None and after is not None:
        if chosen.footprints is not None:
            gpu_memory.keep(row, after - before, chosen.footprints, gpu_memory.kinds(row)[0].settings)
        figures["memory of a card that it took, GB"] = (after - before) / gpu_memory.GIGABYTE
        figures["memory of a card that it declares, GB"] = row.vram_gigabytes
    return figures


class _Stages:
    """CTranslate2's model of a Whisper, which notes how long each stage takes and what it computes."""

    def __init__(self, network: Any, sizes: Sizes) -> None:
        self._network, self._sizes = network, sizes
        self.seconds = dict.fromkeys(("encoder", "decoder", "times of the words"), 0.0)
        self.flop = dict.fromkeys(("encoder", "decoder"), 0)
        self.tokens = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def encode(self, features: Any, *_: Any, **__: Any) -> Any:
        """Its result comes to the host, so that it is waited for."""
        self.flop["encoder"] += self._sizes.encoder() * features.shape[0]
        return self._noted("encoder", lambda: self._network.encode(features, to_cpu=True))

    def generate(self, features: Any, prompts: Any, **named: Any) -> Any:
        made = self._noted("decoder", lambda: self._network.generate(features, prompts, **named))
        beams = named.get("beam_size", 1)
        for prompt, one in zip(prompts, made, strict=True):
            count = len(prompt) + max(map(len, one.sequences_ids))
            self.tokens += beams * count
            self.flop["decoder"] += self._sizes.heard() + beams * self._sizes.tokens(count)
        return made

    def align(self, *given: Any, **named: Any) -> Any:
        return self._noted("times of the words", lambda: self._network.align(*given, **named))

    def _noted(self, name: str, stage: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = stage()
        self.seconds[name] += time.perf_counter() - started
        return result


def _shares(stages: _Stages) -> dict[str, float]:
    """How much of the card's matrix products in half precision each stage uses; nothing without a torch that has the
    card."""
    import torch

    if not torch.cuda.is_available():
        print("NOT RUN: how much of the card is used. torch has no card here.")
        return {}
    rate = matrix_rate(torch, torch.float16)
    figures = {"matrix rate of this card, measured, TFLOP/s": rate}
    for name, flop in stages.flop.items():
        figures[f"share of it that the {name} uses"] = flop / stages.seconds[name] / 1e12 / rate
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

    sizes = TINY if tiny else SMALL
    if not tiny and (found := gpu_report.published("faster-whisper-small")):
        return found
    print("NOT RUN: sense. How much the network writes down, and so how long it takes, is by chance.")
    return str(write(folder, layers=sizes.layers, width=sizes.width, heads=sizes.heads, inner=sizes.inner))


if __name__ == "__main__":
    main()

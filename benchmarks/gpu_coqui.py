"""VITS of Coqui TTS on a card: how long a sentence takes, how much of the card that uses, and peak memory.

    python -m benchmarks.gpu_coqui [--model NAME] [--vocoder NAME] [--tiny]

No Ray. The network is one of coqui-tts' sizes with random weights, whose words have random lengths; or `--model` is a
name of Coqui's, or a folder, of any architecture. With --tiny, or where there is no card, it is small and the figures
mean nothing but that the script runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import gpu_memory, gpu_report, gpu_voice
from benchmarks.gpu_timing import arithmetic, matrix_rate, watched
from pipeline.contracts import Speech, SpeechRequest


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="a name of Coqui's, or a folder")
    parser.add_argument("--vocoder", default="", help="the same of the network that goes with one of spectrograms")
    parser.add_argument("--tiny", action="store_true", help="a small network")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not card
    what = chosen.model or f"{'a small' if tiny else 'the real'} VITS with random weights"
    gpu_report.head(gpu_report.machine(torch), what, card)
    if not chosen.model:
        print("NOT RUN: published weights. How it sounds is not judged here.")
    with tempfile.TemporaryDirectory() as folder:
        gpu_report.show(measured(chosen, Path(folder), card, tiny))


def measured(chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch

    from benchmarks.random_vits import REAL, SMALL, write
    from deployments.backends import device, registry

    if card:
        device.use(device.Cuda(None, 0))
    row = registry.find("voice", "coqui")
    weights = chosen.model or str(write(folder, sizes=SMALL if tiny else REAL))
    started = time.perf_counter()
    voice = registry.load(row, {"model": weights, "vocoder": chosen.vocoder})
    figures = {"loaded, s": time.perf_counter() - started}
    model = voice._model

    def said() -> Speech:
        return Speech.join(voice.speak(SpeechRequest(gpu_voice.TEXT, language=next(iter(model.languages)))))

    flop = arithmetic(model, "said", said)  # and gets warm
    figures |= gpu_voice.spoken(torch, said, card)
    length = figures["sound made, s"]
    figures["GFLOP a second of sound"] = flop / length / 1e9
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)
        rate = matrix_rate(torch, torch.float32)
        with watched(torch, model, "said", card) as calls:
            said()
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        figures["share of it used"] = flop / sum(calls) / 1e12 / rate
    return figures


if __name__ == "__main__":
    main()

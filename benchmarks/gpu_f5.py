"""F5-TTS on a card: how long a sentence takes, by stage, how much of the card that uses, and peak memory.

    python -m benchmarks.gpu_f5 [--steps 32] [--tiny]

No Ray. f5-tts can't be installed beside Mouthpiece: where it is not found, the script says how it is laid over it.
Published weights are used where they are on this machine; otherwise the networks have their real sizes and random
weights, which cost the same time and memory. With --tiny, or where there is no card, they are small and the figures
mean nothing but that the script runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import gpu_memory, gpu_report, gpu_voice
from benchmarks.gpu_timing import arithmetic, matrix_rate, watched
from deployments.backends import registry
from pipeline.contracts import Speech, SpeechRequest


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=32, help="from noise to speech, each through the network twice")
    parser.add_argument("--tiny", action="store_true", help="small networks")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not card
    what = f"{chosen.steps} steps, {'small' if tiny else 'the real'} networks"
    gpu_report.head(gpu_report.machine(torch), what, card)
    if find_spec("f5_tts") is None:
        packages = " ".join(registry.find("voice", "f5").packages)
        print("NOT RUN: F5-TTS, which is not installed here. It goes into a folder of its own, which comes first:")
        print(f"    pip install --no-deps --target FOLDER {packages}")
        print("    PYTHONPATH=FOLDER python -m benchmarks.gpu_f5")
        return
    with tempfile.TemporaryDirectory() as folder:
        gpu_report.show(measured(chosen, Path(folder), card, tiny))


def measured(chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch

    from deployments.backends import device

    if card:
        device.use(device.Cuda(None, 0))
    row = registry.find("voice", "f5")
    started = time.perf_counter()
    voice = registry.load(row, {**_weights(folder, tiny), "flow_steps": chosen.steps})
    figures = {"loaded, s": time.perf_counter() - started}
    model = voice._model
    parts: dict[str, tuple[Any, str]] = {
        "transformer": (model, "_filled"),
        "vocoder, all but its last step": (model._vocoder["backbone"], "forward"),
    }

    def said() -> Speech:
        return Speech.join(voice.speak(SpeechRequest(gpu_voice.TEXT)))

    counted = {name: arithmetic(*part, said) for name, part in parts.items()}  # and gets warm
    figures |= gpu_voice.spoken(torch, said, card)
    length = figures["sound made, s"]
    spent = {}
    for name, part in parts.items():
        with watched(torch, *part, card) as calls:
            said()
        spent[name] = sum(calls)
        figures[f"{name}, ms"] = 1000 * spent[name]
        figures[f"{name}, GFLOP a second of sound"] = counted[name] / length / 1e9
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)
        rate = matrix_rate(torch, torch.float32)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        for name in parts:
            figures[f"share of it that the {name} uses"] = counted[name] / spent[name] / 1e12 / rate
    return figures


def _weights(folder: Path, tiny: bool) -> dict[str, str]:
    """Folders of the published models, or of some that are made of random weights."""
    from benchmarks.random_f5 import write

    names = {"weights": "f5-tts-v1", "vocoder": "vocos-mel-24khz"}
    found = {} if tiny else {option: gpu_report.published(name) for option, name in names.items()}
    whole = {option: place for option, place in found.items() if place is not None}
    return whole if len(whole) == len(names) else write(folder, tiny=tiny)


if __name__ == "__main__":
    main()

"""Backends that do nothing but hold weights: real safetensors files, loaded as real models load theirs.

A card is scaled down, a megabyte for a tenth of a gigabyte, so that files of real models' proportions are made in a
second. Nothing else is played: files, processes, Ray's accounts and memory are real.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deployments.backends import device
from deployments.backends.registry import Backend
from deployments.backends.weights import Weights
from pipeline.contracts import Samples, Speech, SpeechRequest, VoiceTint

SCALE = 0.01
"""Gigabytes of this cluster for a gigabyte of a real one."""

CARD = 10 * SCALE
SIZES = {"clone": 5.0, "tts": 3.0, "draw": 7.0, "lips": 5.0, "greedy": 4.0}
"""What each declares to need, in gigabytes of a real card."""


class Weighted:
    """A voice as far as Serve is concerned. Loads the file `weights` onto its card; a request takes `extra` bytes
    besides, for `seconds`, and is answered with a sum over its weights."""

    def __init__(self, weights: Path, seconds: float = 0.0, extra: int = 0, hangs: bool = False) -> None:
        if hangs:
            threading.Event().wait()
        self._card = device.current()
        self._weights = Weights(weights).place(self._card)
        self._sum = float(sum(int(array[::997].sum(dtype=np.int64)) for array in self._weights.values()))
        self._seconds = seconds
        self._extra = extra

    def voices(self) -> dict[str, tuple[str, ...]]:
        return {str(self._work(self._seconds)): ("en",)}

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        yield from ()

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        """A request that lasts `sample_rate` milliseconds."""
        return VoiceTint(self._work(sample_rate / 1000), 0.0, 0.0, samples)

    def _work(self, seconds: float) -> float:
        assert isinstance(self._card, device.Logical)
        with self._card.working(self._extra):
            time.sleep(seconds)
            return self._sum


def _row(name: str, gigabytes: float) -> Backend:
    return Backend("voice", name, "tests.placement.weighted:Weighted", vram_gigabytes=gigabytes)


alpha, beta, gamma = (_row(name, 6.0) for name in ("alpha", "beta", "gamma"))
"""Of the benchmark, to full scale."""
clone, tts, draw, lips, greedy = (_row(name, size * SCALE) for name, size in SIZES.items())

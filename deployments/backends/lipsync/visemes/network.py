"""The mouth from sound alone: a small network that `benchmarks/train_visemes.py` fits to espeak-ng speech.

What it learns is what `coarticulation.articulate` makes of the phonemes: the experiment's extreme learning
machine, replaced by two trained hidden layers. Weights are in `network.npz`, self-made and reproducible.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.mouth import CHANNELS
from pipeline.contracts import Samples

from .coarticulation import LEAD, LOUD_OPENING, QUIET_OPENING
from .curves import LOW, Curves
from .features import features
from .loudness import RATE
from .shape import SILENCE

STRIDE: Final = 2
"""Steps between two outputs; the curves are smoother than that."""

CONTEXT: Final = tuple(range(-20, 21, 2))
"""Steps before and after that the network hears: 200 ms each way, every 20 ms."""

_BLOCK: Final = 1024
_OPEN: Final = [CHANNELS.index(name) for name in ("jaw", "upper", "lower")]
_TUCK, _PRESS = CHANNELS.index("tuck"), CHANNELS.index("press")

CLOSED: Final = 0.5
"""A peak of press or tuck from here on is a closure that has to be seen."""

EVEN: Final = np.hanning(7)[1:-1] / np.hanning(7).sum()
"""Taps, 10 ms each, that the outputs are smoothed by: what moves faster is the network's doubt, not a mouth."""

DOUBT: Final = 0.08
"""Press and tuck this near to none or all are taken for it: squared error leaves both half-way."""

SILENT: Final = 0.02
"""Loudness up to which the mouth is at rest, whatever the network takes the silence for."""


@dataclass(frozen=True, slots=True)
class Network:
    """Layers of weights (inputs, outputs) and biases, rectified between."""

    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    @staticmethod
    @lru_cache(maxsize=1)
    def trained() -> Network:
        """The one in the package, read once."""
        return Network.read(Path(__file__).with_name("network.npz"))

    @staticmethod
    def read(path: Path) -> Network:
        with np.load(path, allow_pickle=False) as data:
            layers = len(data.files) // 2
            return Network(
                tuple(data[f"weight{k}"].astype(np.float32) for k in range(layers)),
                tuple(data[f"bias{k}"].astype(np.float32) for k in range(layers)),
            )

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, channels) from (n, inputs)."""
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs = np.maximum(inputs @ weight + bias, 0)
        return inputs @ self.weights[-1] + self.biases[-1]


def opening_scale(loud: NDArray[np.float32]) -> NDArray[np.float32]:
    """(steps,) the factor that `articulate` scales the opening by, known from the sound itself."""
    ahead = np.minimum(np.arange(len(loud)) + round(LEAD * RATE), len(loud) - 1)
    return QUIET_OPENING + (LOUD_OPENING - QUIET_OPENING) * loud[ahead]


def in_context(columns: NDArray[np.float32], index: NDArray[np.int64]) -> NDArray[np.float32]:
    """(n, inputs): the features around each of the steps of `index`; the ends of the clip are held."""
    places = np.clip(index[:, None] + np.array(CONTEXT), 0, len(columns) - 1)
    return columns[places].reshape(len(index), -1)


def listen(samples: Samples, sample_rate: int, network: Network | None = None) -> Curves:
    """Curves from sound alone, by the network of the package or by another.

    Long clips go through in blocks: memory beyond the samples is about 1 kB a step of 10 ms.
    """
    columns, loud = features(samples, sample_rate)
    network = network or Network.trained()
    index = np.arange(0, len(columns) + STRIDE - 1, STRIDE, dtype=np.int64)
    coarse = np.concatenate([network(in_context(columns, index[k : k + _BLOCK])) for k in range(0, len(index), _BLOCK)])
    steps = np.arange(len(columns))
    values = np.stack([_even(np.interp(steps, index, coarse[:, c])) for c in range(len(CHANNELS))], axis=1)
    values[:, [_TUCK, _PRESS]] = (values[:, [_TUCK, _PRESS]] - DOUBT) / (1 - 2 * DOUBT)
    values[:, _OPEN] *= opening_scale(loud)[:, None]
    awake = _awake(loud)[:, None]
    values = awake * values + (1 - awake) * np.array([getattr(SILENCE, name) for name in CHANNELS])
    # Rounded, so that the number of threads a product was made by does not reach the picture.
    values = np.round(np.clip(values, LOW, 1), 4).astype(np.float32)
    return Curves(values, _closures(values))


def _even(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.convolve(np.pad(curve, len(EVEN) // 2, mode="edge"), EVEN, "valid")


def _awake(loud: NDArray[np.float32]) -> NDArray[np.float32]:
    """(steps,) 1 where there is sound within 100 ms, falling to 0 in silence."""
    kernel = np.hanning(23)[1:-1]
    heard = np.pad((loud > SILENT).astype(np.float32), len(kernel) // 2)
    return np.minimum(1, np.convolve(heard, kernel, "valid")).astype(np.float32)


def _closures(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(k,) times of the peaks of press and tuck."""
    firm = values[:, _TUCK : _PRESS + 1].max(axis=1)
    before, after = np.concatenate(([0], firm[:-1])), np.concatenate((firm[1:], [0]))
    return np.flatnonzero((firm >= CLOSED) & (firm > before) & (firm >= after)).astype(np.float64) / RATE

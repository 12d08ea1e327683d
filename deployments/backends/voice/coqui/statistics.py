"""scale_stats.npy: the mean and deviation of the spectrograms that a Coqui network was trained on.

NumPy wrote it as a pickle, which is a program. Here it may build arrays, numbers and plain containers; anything else
that it asks for is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.voice.coqui_config import damaged
from pipeline.errors import Damaged

FIELDS: Final = ("mel_mean", "mel_std", "linear_mean", "linear_std")

_NAMES: Final = frozenset(
    (module, name)
    for module, names in {
        "numpy": ("dtype", "ndarray"),
        "numpy.core.multiarray": ("_reconstruct", "scalar"),
        "numpy._core.multiarray": ("_reconstruct", "scalar"),
    }.items()
    for name in names
)
"""What a pickle of arrays and numbers asks for, under the names of NumPy 1 and 2."""


class _Unsafe(pickle.UnpicklingError):
    """It asked for something else."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise _Unsafe(f"{module}.{name}")
        return super().find_class(module.replace("numpy._core", "numpy.core"), name)


def read(path: Path) -> tuple[NDArray[Any], ...]:
    """`FIELDS`, one number for each band. Raises `Damaged`: damaged_weights, or unsafe_weights."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, kind = headers[version](file)
            if shape != () or kind != np.dtype(object):
                raise ValueError("it is no dictionary")
            held = _Reader(file).load().item()
        found = tuple(np.asarray(held[name], np.float64) for name in FIELDS)
    except _Unsafe as error:
        raise Damaged(
            f"{path} can't be used: it is a pickle that asks for {error}; it was not run.",
            code="unsafe_weights",
            accepted="the file as it was published",
        ) from error
    except (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError, pickle.UnpicklingError) as error:
        raise damaged(path, f"it holds no statistics: {error}") from error
    if any(array.ndim != 1 or not np.isfinite(array).all() for array in found):
        raise damaged(path, "its statistics are no rows of numbers")
    return found


def give(processor: Any, path: Path) -> None:
    """Has `TTS.utils.audio.AudioProcessor` scale by them, as it would have done with the file itself."""
    if not processor.signal_norm:
        return
    processor.setup_scaler(*read(path))
    processor.max_norm = processor.clip_norm = processor.symmetric_norm = None

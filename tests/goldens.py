"""What the authors' own code computed with weights that are made again from tensor names: the reference of the tests.

The folder that MOUTHPIECE_GOLDENS names holds `<item>.npz`, `checks.json` and `inventory/<network>.json`; its README
gives every rule that is followed here. Without the variable, tests that compare with it are skipped.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

VARIABLE = "MOUTHPIECE_GOLDENS"
THREADS = 2
NOT_SEEDED = {("sadtalker_kp_detector", "down.weight")}
"""A constant that the checkpoint carries: the network has it as it is built."""


def goldens() -> Path:
    """The folder. Skips without the variable, and where it names no such folder; the latter fails where CI is set."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        pytest.skip(f"{VARIABLE} is not set")
    folder = Path(name)
    if not (folder / "checks.json").is_file():
        message = f"{VARIABLE} is {name!r}, which has no checks.json in it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@lru_cache(maxsize=4)
def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def golden(item: str) -> Mapping[str, NDArray[Any]]:
    """The arrays of one `<item>.npz` by name."""
    return _arrays(goldens() / f"{item}.npz")


def checks(item: str) -> dict[str, Any]:
    """What `checks.json` says of one item: CRC-32 of weights and inputs, differences seen."""
    return json.loads((goldens() / "checks.json").read_text())[item]


def inventory(name: str) -> dict[str, Any]:
    """A network's names and shapes (`tensors`), their `count`, `published_prefix`, and `config` where there is one."""
    return json.loads((goldens() / "inventory" / f"{name}.json").read_text())


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def z(name: str, shape: Iterable[int]) -> NDArray[np.float32]:
    """Standard normal float32 numbers that depend on the name alone."""
    return _generator(name).standard_normal(tuple(shape), dtype=np.float32)


def u(name: str, shape: Iterable[int]) -> NDArray[np.float32]:
    """Uniform float32 numbers in [0, 1) that depend on the name alone."""
    return _generator(name).random(tuple(shape), dtype=np.float32)


def seeded(inventory_name: str, gain: float = 1.0) -> dict[str, torch.Tensor]:
    """Every tensor of a network by its seed name, made again from it: section 2 of the goldens' README.

    Published names are `published_prefix` of the inventory and the seed name. `gain` multiplies every tensor of two or
    more dimensions.
    """
    import torch

    shapes: dict[str, list[int]] = inventory(inventory_name)["tensors"]
    drawn = [name for name in shapes if (inventory_name, name) not in NOT_SEEDED and not name.endswith("weight_v")]
    with ThreadPoolExecutor(THREADS) as threads:  # numpy draws and scales without Python's lock
        made = dict(zip(drawn, threads.map(lambda name: _seeded(name, tuple(shapes[name])), drawn), strict=True))
    for name in shapes:
        if name.endswith("weight_v"):
            stem = name.removesuffix("weight_v")
            made[name] = _right_singular(made[f"{stem}weight_orig"], made[f"{stem}weight_u"])
    if gain != 1:
        for values in made.values():
            if values.ndim > 1:
                values *= np.float32(gain)
    return {name: torch.from_numpy(made[name]) for name in shapes if name in made}


def _seeded(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    values = z(name, shape)
    if name.endswith("weight_u") and len(shape) == 1:
        exact = values.astype(np.float64)
        return (exact / np.linalg.norm(exact)).astype(np.float32)
    # In place: the largest network has 3.4 GB.
    if name.endswith("running_mean"):
        values *= np.float32(0.1)
    elif name.endswith("running_var"):
        np.abs(values, out=values)
        values *= np.float32(0.2)
        values += np.float32(1)
    elif len(shape) > 1:
        values *= np.float32(1 / np.sqrt(prod(shape[1:])))
    elif name.endswith("bias"):
        values *= np.float32(0.02)
    elif name.endswith("weight"):
        values *= np.float32(0.1)
        values += np.float32(1)
    else:
        raise ValueError(f"no rule for {name!r} of shape {shape}")
    return values


def _right_singular(weight: NDArray[Any], left: NDArray[Any]) -> NDArray[np.float32]:
    """Wᵀu / ‖Wᵀu‖ of spectral norm, W as (shape[0], rest)."""
    product = weight.reshape(len(weight), -1).astype(np.float64).T @ left.astype(np.float64)
    return (product / np.linalg.norm(product)).astype(np.float32)


def weights_crc32(tensors: Mapping[str, torch.Tensor]) -> int:
    """One running CRC-32 over the float tensors in ascending order of their names."""
    running = 0
    for name in sorted(tensors):
        if tensors[name].is_floating_point():
            running = zlib.crc32(np.ascontiguousarray(tensors[name].numpy()).tobytes(), running)
    return running

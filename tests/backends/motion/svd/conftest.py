"""A backend of small networks, and the torch settings that keep other work going beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import torch_threads

pytest.importorskip("diffusers", reason="make models")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.fixture(scope="package")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from benchmarks.random_svd import write

    return write(tmp_path_factory.mktemp("svd"))


@pytest.fixture(scope="package")
def small(weights: Path) -> dict[str, Any]:
    """Options of a backend that makes clips of eight frames of 64 x 64."""
    return {
        "weights": str(weights),
        "pixels": 64 * 64,
        "clip_frames": 8,
        "overlap": 3,
        "steps": 2,
        "precision": "float32",
        "threads": 1,
    }

"""A backend of small networks, and the torch settings that keep other work going beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import torch_threads

pytest.importorskip("torch", reason="make models")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of a backend whose three networks are small."""
    from benchmarks.random_musetalk import write

    return write(tmp_path_factory.mktemp("musetalk"))

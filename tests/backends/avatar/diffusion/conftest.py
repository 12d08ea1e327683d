"""Small models in the published layout, made once, and the torch settings that keep other work going beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import torch_threads

pytest.importorskip("diffusers", reason="make models")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):
        yield


@pytest.fixture(scope="package")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.backends.avatar.diffusion.published import save

    return save(tmp_path_factory.mktemp("diffusion") / "sd15", "sd15")


@pytest.fixture(scope="package")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.backends.avatar.diffusion.published import save

    return save(tmp_path_factory.mktemp("diffusion") / "sdxl", "sdxl")

"""Small models in the published layout, made once, and the torch settings that keep other work going beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="make models")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other are slow beside other work
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.backends.avatar.diffusion.published import save

    return save(tmp_path_factory.mktemp("diffusion") / "sd15", "sd15")


@pytest.fixture(scope="package")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.backends.avatar.diffusion.published import save

    return save(tmp_path_factory.mktemp("diffusion") / "sdxl", "sdxl")

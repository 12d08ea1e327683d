"""Weights of the real size, made by chance, in a file of the published layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from deployments.backends.lipsync.wav2lip.network import Generator
from tests.conftest import torch_threads


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    with torch_threads(2):
        yield


@pytest.fixture(scope="package")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the authors' training saves it, without the optimiser's moments."""
    return published(tmp_path_factory.mktemp("weights") / "wav2lip_gan.pth", lively(7).state_dict())


def lively(seed: int) -> Generator:
    """Random weights that react to the sound: norms that keep the size of what goes through them."""
    torch.manual_seed(seed)
    network = Generator().eval()
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    return network


def published(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    optimiser = {"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}
    state = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"state_dict": state, "optimizer": optimiser, "global_step": 5, "global_epoch": 1}, path)
    return path

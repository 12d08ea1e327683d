"""A Wav2Lip with random weights of the real size, in a file of the published layout: real code, no mouth."""

from __future__ import annotations

from pathlib import Path

import torch

from deployments.backends.lipsync.wav2lip.network import Generator


def lively(seed: int) -> Generator:
    """Random weights that react to the sound: norms that keep the size of what goes through them."""
    torch.manual_seed(seed)
    network = Generator().eval()
    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    return network


def save(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """As the authors' training saves it, without the optimiser's moments."""
    optimiser = {"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}
    state = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"state_dict": state, "optimizer": optimiser, "global_step": 5, "global_epoch": 1}, path)
    return path

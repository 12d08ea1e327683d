"""A Real-ESRGAN with random weights, in the layout of the published one: real code, no detail."""

from __future__ import annotations

from pathlib import Path

import torch

FILE = "RealESRGAN_x4plus.pth"
GROWTH = 32


def write(folder: Path, *, channels: int = 16, blocks: int = 1, seed: int = 0) -> Path:
    """Writes RealESRGAN_x4plus.pth into `folder`, which it returns: RRDBNet, four times as wide and tall.

    The published network has 64 channels and 23 blocks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {"conv_first": (channels, 3)}
    for block in range(blocks):
        for dense in range(1, 4):
            for number in range(5):
                made = GROWTH if number < 4 else channels
                shapes[f"body.{block}.rdb{dense}.conv{number + 1}"] = (made, channels + number * GROWTH)
    shapes |= dict.fromkeys(("conv_body", "conv_up1", "conv_up2", "conv_hr"), (channels, channels))
    shapes["conv_last"] = (3, channels)
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (made, taken) in shapes.items():
        tensors[f"{name}.weight"] = torch.randn(made, taken, 3, 3, generator=generator) * (9 * taken) ** -0.5
        tensors[f"{name}.bias"] = torch.full((made,), 0.5 if name == "conv_last" else 0.0)
    torch.save({"params_ema": tensors}, folder / FILE)
    return folder

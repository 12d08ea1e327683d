"""The generator made ready to run: on its device, in its precision, batch norms folded away."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.backends.lipsync.wav2lip.network import Generator
from deployments.backends.precision import Precision, chosen


class Inference:
    """`look` once at a face, then `faces` that say sounds, so many at once. The network is taken over and changed."""

    def __init__(self, network: Generator, device: str, precision: Precision) -> None:
        self.dtype = chosen(precision, device)
        self._device = torch.device(device)
        folded = network.fold().requires_grad_(False)
        self._network = folded.to(self._device, self.dtype).to(memory_format=torch.channels_last)  # ty: ignore[no-matching-overload]

    def look(self, face: NDArray[np.float32]) -> list[Tensor]:
        """What `faces` needs to know of one (6, 96, 96) face."""
        with torch.inference_mode():
            return self._network.look(self._there(face[None]))

    def spoken(self, sounds: NDArray[np.float32], faces: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `faces`, each window said by a face of its own: (n, 6, 96, 96)."""
        with torch.inference_mode():
            return self._network(self._there(sounds), self._there(faces)).float().cpu().numpy()

    def faces(self, sounds: NDArray[np.float32], looks: list[Tensor]) -> NDArray[np.float32]:
        """(n, 3, 96, 96) in 0..1, BGR, from (n, 1, 80, 16) windows of sound and one face."""
        with torch.inference_mode():
            return self._network.say(self._there(sounds), looks).float().cpu().numpy()

    def _there(self, array: NDArray[np.float32]) -> Tensor:
        there = torch.from_numpy(array).to(self._device, self.dtype)
        return there.contiguous(memory_format=torch.channels_last)

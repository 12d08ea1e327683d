"""How many frames the autoencoder decodes at once: as many as fit into what is left of the card."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

SHARE: Final = 0.8
"""How much of what is left may be planned with. The rest is for what is not seen here: the workspaces of convolutions,
and gaps that an allocator leaves between tensors. An estimate: not measured on a card."""
SCALE: Final = 8
"""Pixels of a picture's side for one of the latents, as the published autoencoder has it."""


class Decoding:
    """What decoding takes of memory, counted without doing it: the autoencoder runs on torch's meta device.

    `autoencoder` is diffusers' `AutoencoderKLTemporalDecoder`; of its own weights nothing is counted.
    """

    def __init__(self, autoencoder: Any, dtype: torch.dtype, frames: int) -> None:
        """`frames` are those of a clip, at least 2: the most that are decoded at once."""
        with torch.device("meta"):
            blank = type(autoencoder).from_config(autoencoder.config)
        # torch's own `to`: that of diffusers warns of modules to be kept in float32, of which there are none.
        self._blank: Any = nn.Module.to(blank, "meta", dtype).eval()
        self._dtype, self._frames = dtype, frames
        self._least_and_most = lru_cache(maxsize=16)(self._counted)

    def most(self, height: int, width: int, room: int) -> int:
        """How many frames of so many pixels may be decoded at once in `room` bytes: 1 at the least, even where it may
        not suffice, and a clip at the most."""
        one, whole = self._least_and_most(height, width)
        usable = int(SHARE * room) - self._kept(height, width)
        # At each moment there is so much for each frame and so much besides. What is most at one count may be another
        # moment than at another count; then a line between two counts lies above what is between them.
        fitting = 1 + (usable - one) * (self._frames - 1) // (whole - one)
        return min(max(fitting, 1), self._frames)

    def taken(self, count: int, height: int, width: int) -> int:
        """Bytes of the tensors that there are at the fullest moment of decoding `count` frames at once."""
        shape = (count, self._blank.config.latent_channels, height // SCALE, width // SCALE)
        latents = torch.empty(shape, dtype=self._dtype, device="meta")
        with torch.no_grad(), Counted() as counted:
            self._blank.decode(latents, num_frames=count)
        return counted.most

    def _counted(self, height: int, width: int) -> tuple[int, int]:
        return self.taken(1, height, width), self.taken(self._frames, height, width)

    def _kept(self, height: int, width: int) -> int:
        """Bytes of the whole clip's pictures: in pieces as they were decoded and joined, then joined and in float32."""
        return self._frames * 3 * height * width * (self._dtype.itemsize + max(self._dtype.itemsize, 4))


class Counted(TorchDispatchMode):
    """Counts the bytes of the tensors made in it: `most` is the most that there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._there: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self._there[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self._there = {place: known for place, known in self._there.items() if not known[0].expired()}
        self.most = max(self.most, sum(size for _, size in self._there.values()))
        return made

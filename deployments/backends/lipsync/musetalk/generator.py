"""The networks that draw: a face as latents, and with what is heard as a face again.

One step, without noise: the network sees the face with its lower half blacked out and the face as it is, and the sound
of the frame, and gives the whole face (MuseTalk @ 0a89dec, models/unet.py and vae.py).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def shown(pictures: Tensor) -> Tensor:
    """(n, 3, s, s) RGB in 0 to 255 as the autoencoder takes it, in -1 to 1."""
    return (pictures / 255 - 0.5) / 0.5


def masked(pictures: Tensor) -> Tensor:
    """The same pictures, their lower half black."""
    found = pictures.clone()
    found[:, :, found.shape[2] // 2 :] = 0
    return found


def pictures(decoded: Tensor) -> Tensor:
    """(n, 3, s, s) RGB in 0 to 255, float32, not rounded, of what the decoder gives."""
    return (decoded.float() / 2 + 0.5).clamp(0, 1) * 255


class Generator:
    """UNet and autoencoder on one device, in one type.

    On a card the weights lie channels last, which is how its convolutions want them. `compiled` has torch compile
    the two networks that run for every frame; their first batch then takes a minute or more.
    """

    def __init__(self, unet: Any, vae: Any, *, device: str, dtype: torch.dtype, compiled: bool = False) -> None:
        layout = torch.channels_last if device.startswith("cuda") else torch.contiguous_format
        # torch's own `to`: that of diffusers warns of modules to be kept in float32, of which these have none.
        for network in (unet, vae):
            cast(Any, torch.nn.Module).to(network, device=device, dtype=dtype, memory_format=layout)
        self._unet, self._vae = unet, vae
        self._layout = layout
        self.device, self.dtype = device, dtype
        self._scale: float = vae.config.scaling_factor
        self.side: int = vae.config.sample_size
        """Pixels a side of the faces that it draws."""
        self._step = torch.zeros(1, dtype=torch.long, device=device)
        self._drawn = torch.compile(self._draw, dynamic=False) if compiled else self._draw

    @torch.inference_mode()
    def latents(self, faces: Tensor) -> Tensor:
        """(n, 8, s / 8, s / 8) of (n, 3, s, s) RGB faces in 0 to 255: half of each face, then all of it.

        The mean of the encoder's distribution: the reference draws from it, so that no two runs are alike.
        """
        both = torch.cat([masked(faces), faces])
        both = shown(both.to(self.device)).to(self.dtype).contiguous(memory_format=self._layout)
        half, whole = (self._vae.encode(both).latent_dist.mode() * self._scale).chunk(2)
        return torch.cat([half, whole], dim=1)

    @torch.inference_mode()
    def faces(self, latents: Tensor, tokens: Tensor) -> Tensor:
        """(n, 3, s, s) float32 RGB in 0 to 255 of latents as above and tokens (n, 50, width), on the device.

        On a card the work is queued, and this returns before it is done.
        """
        return self._drawn(latents, tokens)

    def _draw(self, latents: Tensor, tokens: Tensor) -> Tensor:
        latents = latents.contiguous(memory_format=self._layout)
        return pictures(self.decoded(self.predicted(latents, tokens)))

    def predicted(self, latents: Tensor, tokens: Tensor) -> Tensor:
        """(n, 4, s / 8, s / 8): the face's latents."""
        return self._unet(latents, self._step, encoder_hidden_states=tokens).sample

    def decoded(self, latents: Tensor) -> Tensor:
        """(n, 3, s, s), about -1 to 1."""
        return self._vae.decode(latents / self._scale).sample

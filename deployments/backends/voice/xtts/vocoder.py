"""The vocoder of XTTS, a HiFi-GAN (Kong, Kim and Bae, NeurIPS 2020), fed as the language model goes.

coqui-tts decodes everything again for each piece and cross-fades the pieces. Here each frame is decoded once, with as
many frames around it as the network looks at: the pieces joined are the sound that one go would make.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from deployments.backends.voice.xtts.checkpoint import Likeness
from pipeline.contracts import Samples

CONTEXT: Final = 16
"""Frames to each side on which a frame's sound depends: 13.4 by the kernels, strides and dilations of the network."""


@torch.inference_mode()
def sound(
    network: Any, latents: Iterator[Tensor], likeness: Likeness, every: int, speed: float = 1.0
) -> Iterator[Samples]:
    """(n,) float32 pieces at the network's output rate, one for every `every` vectors of the language model.

    The first comes a few vectors later than they, since the sound of a frame depends on those after it.
    """
    decoder = network.hifigan_decoder
    scales = _scales(decoder, speed)
    held: list[Tensor] = []
    done = 0
    for latent in latents:
        held.append(latent)
        if len(held) % every == 0:
            ready = _settled(len(held), scales) - CONTEXT
            if ready > done:
                yield _decoded(decoder, _frames(held, scales), likeness, done, ready)
                done = ready
    if held:
        frames = _frames(held, scales)
        if frames.shape[-1] > done:
            yield _decoded(decoder, frames, likeness, done, frames.shape[-1])


def _scales(decoder: Any, speed: float) -> tuple[float, ...]:
    """How much longer each step of interpolation makes it: the pace, the hops of a token, the two sample rates."""
    chosen = (
        1 / speed,
        decoder.ar_mel_length_compression / decoder.output_hop_length,
        decoder.output_sample_rate / decoder.input_sample_rate,
    )
    return tuple(scale for scale in chosen if scale != 1)


def _settled(count: int, scales: tuple[float, ...]) -> int:
    """Frames that further vectors won't change: those that lie before the centre of the last one."""
    for scale in scales:
        count = max(0, math.floor((count - 0.5) * scale - 0.5) + 1)
    return count


def _frames(held: list[Tensor], scales: tuple[float, ...]) -> Tensor:
    """(1, channels, frames)."""
    frames = torch.stack(held, dim=2)
    for scale in scales:
        frames = interpolate(frames, scale_factor=scale, mode="linear")
    return frames


def _decoded(decoder: Any, frames: Tensor, likeness: Likeness, start: int, end: int) -> Samples:
    first, hop = max(0, start - CONTEXT), decoder.output_hop_length
    wave = decoder.waveform_decoder(frames[..., first : end + CONTEXT], g=likeness.embedding)
    wave = wave[0, 0, (start - first) * hop : (end - first) * hop]
    return np.ascontiguousarray(wave.float().cpu().numpy())

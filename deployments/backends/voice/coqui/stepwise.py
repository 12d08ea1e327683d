"""Coqui's networks that go frame by frame: how many frames at once, and where a voice that finds no end is stopped.

Tacotron 2 (Shen et al., arXiv:1712.05884) looks where in the text it is, and says when it is done. Overflow (Mehta et
al., arXiv:2211.06892) and neural HMM (arXiv:2108.13320) pass through the states of the text in order. None of them has
a pace that can be set: their sound is made faster or slower afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deployments.backends.voice.coqui_config import damaged

TACOTRON: Final = ("tacotron", "tacotron2")
HMM: Final = ("overflow", "neuralhmm_tts")
ARCHITECTURES: Final = (*TACOTRON, *HMM)

FIRST_SECONDS, SECONDS_A_SIGN = 4.0, 0.3
"""How long the sound of a text may become: some four times what speech takes. The networks' own bounds don't know how
long the text is, and that of the HMMs, 1000 frames, would cut off a long sentence."""


def prepare(network: Any, architecture: str) -> None:
    """Before the file's tensors are put into it."""
    if architecture in HMM:
        for name in ("mean", "std"):  # whole numbers to begin with, into which coqui-tts itself cuts those of the file
            network.register_buffer(name, getattr(network, name).float())


def complete(network: Any, architecture: str, beside: Mapping[str, Any], path: Path) -> None:
    """After they were: what belongs to the network and is no tensor, and what only training needs taken off.

    `beside` is what the trainer saved besides the tensors in the file `path`: how many frames the network had come to
    make at once, since its training begins with more. Where it says nothing, the configuration counts. Raises
    `Damaged`, code damaged_weights, where that is no number that the network can do.
    """
    if architecture == "overflow":
        network.decoder.store_inverse()
    if architecture not in TACOTRON:
        return
    network.decoder_backward = network.coarse_decoder = None
    configured = beside.get("config")
    inside = configured.get("r") if isinstance(configured, Mapping) else None
    told = next(value for value in (beside.get("r"), inside, network.config.r) if value is not None)
    most = network.decoder.r_init
    if not isinstance(told, int) or not 1 <= told <= most:
        raise damaged(path, f"its network makes 1 to {most} frames at once, and it says {told!r}")
    network.decoder.set_r(told)


def bound(
    network: Any, architecture: str, signs: int, *, first: float = FIRST_SECONDS, each: float = SECONDS_A_SIGN
) -> None:
    """Lets the next text, of so many signs, become `first` seconds long and `each` more for every sign."""
    audio = network.config.audio
    frames = math.ceil((first + each * signs) * audio.sample_rate / audio.hop_length)
    if architecture in TACOTRON:
        network.decoder.max_decoder_steps = math.ceil(frames / network.decoder.r)
    else:
        network.max_sampling_time = frames

"""An XTTS checkpoint in a folder: config.json, vocab.json, model.pth and, where it has voices, speakers_xtts.pth.

coqui-tts builds the network; the files are read here, so that nothing in them is run, nothing in the folder is
written, and every tensor has its place.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from deployments.backends.published.tensors import fill, read_tensors
from deployments.backends.voice import coqui_config, weight_norm
from deployments.backends.voice.coqui_config import damaged
from deployments.backends.voice.quiet import hushed
from deployments.backends.voice.torchaudio import standing_in

_SETTINGS: Final = (
    "TTS.tts.configs.xtts_config.XttsConfig",
    "TTS.tts.configs.xtts_config.XttsArgs",
    "TTS.tts.configs.xtts_config.XttsAudioConfig",
    "TTS.tts.models.xtts.XttsArgs",
    "TTS.tts.models.xtts.XttsAudioConfig",
    "TTS.config.shared_configs.BaseDatasetConfig",
)
"""Classes of settings that the published model.pth pickles beside its tensors."""

_TRAINING: Final = ("dvae.", "torch_mel_spectrogram_dvae.", "torch_mel_spectrogram_style_encoder.")
"""What Coqui's trainer saves along and speaking has no use for."""
_TWICE: Final = ("gpt.gpt.wte.", "gpt.gpt_inference.")
"""Second names, in some checkpoints, of tensors that have another."""


class _Settings:
    """Stands for any class of `_SETTINGS`: holds what it is given and does nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def _quiet() -> AbstractContextManager[None]:
    """Without transformers' warnings that GPT-2's own start and stop are none of this vocabulary: they are not used."""
    return hushed("transformers.configuration_utils", logging.ERROR)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What the network has to know of a speaker."""

    latent: Tensor
    """(1, positions, channels): what the language model begins with."""
    embedding: Tensor
    """(1, 512, 1): what colours the vocoder."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network that is ready to speak, and its own voices."""

    network: Any
    """`TTS.tts.models.xtts.Xtts`."""
    languages: tuple[str, ...]
    speakers: dict[str, Likeness]


def load(folder: Path, place: str) -> Checkpoint:
    """Builds the network and puts it on the device `place`, cuda:0 or cpu.

    Raises `Damaged`, code damaged_weights, saying what does not fit: every tensor of the file has to have its place in
    the network, and the other way round.
    """
    with standing_in(), _quiet():
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
        from TTS.tts.models.xtts import Xtts

        config = XttsConfig()
        try:
            config.from_dict(coqui_config.read(folder / "config.json"))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged(folder / "config.json", f"it is no configuration of XTTS: {error}") from error
        # The language model is built once, when its vocabulary is known; coqui-tts would build it twice.
        config.model_args.gpt_number_text_tokens = 0
        network: Any = Xtts(config)
        try:
            network.tokenizer = VoiceBpeTokenizer(vocab_file=folder / "vocab.json")
        except Exception as error:  # the library raises plain Exception
            raise damaged(folder / "vocab.json", f"it is no vocabulary: {error}") from error
        network.init_models()
    fill(network, _tensors(folder / "model.pth"), folder / "model.pth")
    weight_norm.folded(network.hifigan_decoder.waveform_decoder)
    with _quiet():
        network.gpt.init_gpt_for_inference(kv_cache=True)  # what beams are searched with
    network.train(False)
    network.requires_grad_(False)
    network.to(place)
    return Checkpoint(network, tuple(config.languages), _speakers(folder / "speakers_xtts.pth", network))


def _tensors(path: Path) -> dict[str, Tensor]:
    allowed: list[Any] = [(_Settings, name) for name in _SETTINGS]
    with torch.serialization.safe_globals(allowed):
        tensors = read_tensors(path)
    tensors = {name.removeprefix("xtts."): tensor for name, tensor in tensors.items()}
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith((*_TRAINING, *_TWICE))}
    return weight_norm.renamed(kept)


def _speakers(path: Path, network: Any) -> dict[str, Likeness]:
    if not path.is_file():
        return {}
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
        found = {
            str(name): likeness(network, one["gpt_cond_latent"], one["speaker_embedding"]) for name, one in held.items()
        }
    except Exception as error:  # whatever torch raises on bytes that are not its own, and ours on shapes
        raise damaged(path, f"its voices can't be read: {error}") from error
    return found


def likeness(network: Any, latent: Tensor, embedding: Tensor) -> Likeness:
    """The two on the network's device, in its type. Raises `ValueError` for shapes that are not this network's."""
    channels, colour = network.args.gpt_n_model_channels, network.args.d_vector_dim
    if latent.ndim != 3 or latent.shape[0] != 1 or latent.shape[2] != channels or embedding.shape != (1, colour, 1):
        raise ValueError(
            f"a latent of {tuple(latent.shape)} and an embedding of {tuple(embedding.shape)} "
            f"for (1, n, {channels}) and (1, {colour}, 1)"
        )
    kind = network.mel_stats
    return Likeness(latent.to(kind.device, torch.float32), embedding.to(kind.device, torch.float32))

"""A Coqui model in a folder, made ready to speak: coqui-tts builds the network, the files are read here.

So nothing in them is run, nothing in the folder is written, and every tensor has its place. VITS (Kim, Kong and Son,
ICML 2021) goes from text to sound in one network, with as many speakers and languages as it was trained on. The others
go to a spectrogram, all frames at once or frame by frame (`stepwise.py`), and need a vocoder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import torch

from deployments.backends.published.tensors import fill, read_saved
from deployments.backends.voice import coqui_config, weight_norm
from deployments.backends.voice.coqui import statistics, stepwise
from deployments.backends.voice.coqui.folder import Folder
from deployments.backends.voice.coqui.quiet import UNBUILDABLE, quiet
from deployments.backends.voice.coqui_config import damaged
from deployments.backends.voice.torchaudio import standing_in
from pipeline.errors import MissingWeights

WHOLE: Final = ("vits",)
"""Architectures that make sound."""
SPECTRAL: Final = (
    *("glow_tts", "fast_pitch", "fast_speech", "fastspeech2", "speedy_speech", "align_tts"),
    *stepwise.ARCHITECTURES,
)
"""Those that make a spectrogram."""

_TRAINING: Final = ("disc.", "speaker_encoder.", "audio_resampler.")
"""What Coqui's trainer saves along and speaking has no use for."""
_CLEANERS: Final = "_cleaners"
"""How the functions of coqui-tts end that a configuration may name to clean a text with."""


class _Optimizer:
    """Stands for the optimizer that older checkpoints pickle: holds what it is given and does nothing."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


def load(folder: Folder, place: str) -> Any:
    """A `TTS.tts.models.base_tts.BaseTTS` on the device `place`, cuda:0 or cpu.

    Raises `Damaged`, code damaged_weights or unsafe_weights, saying what does not fit; `MissingWeights` where the names
    of its speakers or languages are missing; `ValueError` for another architecture; `SettingsError`, code
    missing_dependency, where its phonemes need a package that is not there.
    """
    values = coqui_config.read(folder.config)
    architecture = _prepare(values, folder)
    with standing_in(), quiet():
        from TTS.config import register_config
        from TTS.tts.models import setup_model

        from deployments.backends.voice.coqui import phonemizer

        phonemizer.register()
        phonemizer.check(values, folder.config)
        config: Any = register_config(architecture)()
        try:
            config.from_dict(values)
            network: Any = setup_model(config)
        except UNBUILDABLE as error:
            raise damaged(folder.config, f"no network can be built by it: {error}") from error
    if architecture == "vits":
        network.audio_resampler = None
    stepwise.prepare(network, architecture)
    tensors, beside = _saved(folder)
    fill(network, tensors, folder.checkpoint)
    stepwise.complete(network, architecture, beside, folder.checkpoint)
    if architecture == "glow_tts":
        network.store_inverse()
    weight_norm.folded(network)
    if architecture == "vits":
        del network.posterior_encoder  # turns sound into what it speaks from: only training does
    elif (scale := coqui_config.statistics(folder.config)) is not None:
        statistics.give(network.ap, scale)
    network.train(False)
    network.requires_grad_(False)
    return network.to(place)


def _prepare(values: dict[str, Any], folder: Folder) -> str:
    """Leaves out what only training needs, checks what coqui-tts takes for granted, and returns the architecture."""
    architecture = str(values.get("model", "")).lower()
    if architecture not in (*WHOLE, *SPECTRAL):
        other = "; voice-xtts runs it" if architecture == "xtts" else ""
        raise ValueError(
            f"{folder.config.parent} is a model of the architecture {architecture!r}{other}; accepted here are: "
            f"{', '.join((*WHOLE, *SPECTRAL))}"
        )
    values.pop("base_model", None)  # that of the architecture
    arguments = values.setdefault("model_args", {})
    arguments |= {"init_discriminator": False, "use_speaker_encoder_as_loss": False}
    cleaner = values.get("text_cleaner")
    if cleaner is not None and not (isinstance(cleaner, str) and cleaner.endswith(_CLEANERS)):
        raise damaged(folder.config, f"it names {cleaner!r} to clean texts with")

    def said(field: str) -> Any:
        return arguments.get(field) or values.get(field)

    wanted = None
    if said("use_d_vector_file"):
        wanted = None if said("d_vector_file") else "speakers.json"
    elif said("use_speaker_embedding"):
        wanted = None if values.get("speakers") or said("speakers_file") or said("speaker_file") else "speaker_ids.json"
    if wanted is not None:
        raise MissingWeights(
            f"{folder.config.parent} is a model of several speakers, and {wanted} with their names is missing.",
            accepted=f"{wanted} beside {folder.config.name}",
        )
    return architecture


def _saved(folder: Folder) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    with torch.serialization.safe_globals([dict, defaultdict, (_Optimizer, "TTS.utils.radam.RAdam")]):
        tensors, beside = read_saved(folder.checkpoint)
    spoken = {name: tensor for name, tensor in tensors.items() if not name.startswith(_TRAINING)}
    return weight_norm.renamed(spoken), beside

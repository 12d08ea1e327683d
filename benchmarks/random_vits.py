"""A VITS model with random weights, in the layout of coqui-tts: real code, no speech."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from deployments.backends.voice.torchaudio import standing_in

SMALL: dict[str, Any] = {
    "hidden_channels": 16,
    "hidden_channels_ffn_text_encoder": 16,
    "num_layers_text_encoder": 1,
    "num_layers_posterior_encoder": 1,
    "num_layers_flow": 1,
    "upsample_initial_channel_decoder": 32,
    "resblock_kernel_sizes_decoder": [3],
    "resblock_dilation_sizes_decoder": [[1, 3, 5]],
}
REAL: dict[str, Any] = {}
"""The sizes of the published models are those that coqui-tts has by itself."""


def write(
    folder: Path,
    *,
    speakers: tuple[str, ...] = (),
    vectors: bool = False,
    languages: tuple[str, ...] = (),
    phonemes: str = "",
    rate: int = 22050,
    sizes: Mapping[str, Any] = SMALL,
) -> Path:
    """Writes config.json and model_file.pth into `folder`, as the trainer would, and returns it.

    `speakers` are learnt as rows of a table, or with `vectors` given as vectors in speakers.json. `languages` make it a
    model of several languages. `phonemes` is the language that espeak-ng spells in; otherwise it reads letters.
    """
    with standing_in():
        from TTS.tts.configs.vits_config import VitsConfig
        from TTS.tts.models.vits import Vits

    folder.mkdir(parents=True, exist_ok=True)
    config = VitsConfig()
    arguments: Any = config.model_args
    chosen: dict[str, Any] = {**sizes, "init_discriminator": False}
    if speakers and vectors:
        entries = {f"{name}.wav": {"name": name, "embedding": _vector(place)} for place, name in enumerate(speakers)}
        (folder / "speakers.json").write_text(json.dumps(entries))
        chosen |= {"use_d_vector_file": True, "d_vector_file": [str(folder / "speakers.json")], "d_vector_dim": 8}
    elif speakers:
        (folder / "speaker_ids.json").write_text(json.dumps({name: place for place, name in enumerate(speakers)}))
        chosen |= {
            "use_speaker_embedding": True,
            "speakers_file": str(folder / "speaker_ids.json"),
            "speaker_embedding_channels": 8,
        }
    if languages:
        (folder / "language_ids.json").write_text(json.dumps({name: place for place, name in enumerate(languages)}))
        chosen |= {"use_language_embedding": True, "language_ids_file": str(folder / "language_ids.json")}
    for name, value in chosen.items():
        setattr(arguments, name, value)
    config.audio.sample_rate = rate
    config.text_cleaner = "basic_cleaners"
    if phonemes:
        from deployments.backends.voice.coqui import phonemizer

        phonemizer.register()
        config.use_phonemes, config.phoneme_language, config.phonemizer = True, phonemes, "espeak"
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = Vits(config)
        for parameter in network.parameters():
            if not parameter.abs().max():  # what begins at nothing, so that nothing is left without an effect
                parameter.data.normal_(0, 0.1)
    written = network.config.to_dict()
    for section in (written, written["model_args"]):
        for name in ("speakers_file", "d_vector_file", "language_ids_file"):
            if section.get(name):  # as on the machine that trained it
                path = section[name][0] if isinstance(section[name], list) else section[name]
                moved = "/home/trainer/" + Path(path).name
                section[name] = [moved] if isinstance(section[name], list) else moved
    (folder / "config.json").write_text(json.dumps(written))
    state = {"model": network.state_dict(), "config": written, "step": 7, "optimizer": [{"state": {}}], "scaler": None}
    torch.save(state, folder / "model_file.pth")
    return folder


def _vector(place: int) -> list[float]:
    return [1.0 if index == place else 0.1 for index in range(8)]

"""A Coqui model on a device: who speaks in it, in which languages, and the sound of one piece of text."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from deployments.backends.voice.coqui import checkpoint, stepwise
from deployments.backends.voice.coqui.folder import GRIFFIN_LIM, Folder
from deployments.backends.voice.coqui.griffin_lim import GriffinLim
from deployments.backends.voice.coqui.quiet import quiet
from deployments.backends.voice.coqui.vocoder import Vocoder
from deployments.backends.voice.stretch import stretch
from pipeline.contracts import Samples

DEFAULT = "default"
"""Name of the voice of a model that has one speaker, without a name."""


class Model:
    """A network that is ready to speak."""

    def __init__(self, folder: Folder, vocoder: Folder | str, place: str) -> None:
        """`vocoder` is for a network that makes spectrograms: a folder, `GRIFFIN_LIM`, or nothing. Raises what
        `checkpoint.load` raises, and `ValueError` where a vocoder is missing, or too many, or does not fit."""
        self._network: Any = checkpoint.load(folder, place)
        self._architecture: str = self._network.config.model.lower()
        self._length: float | None = getattr(self._network, "length_scale", None)
        self.sample_rate: int = self._network.config.audio.sample_rate
        self._vocoder = self._fitting(folder, vocoder, place)
        speakers = self._network.speaker_manager
        names = [str(name) for name in speakers.speaker_names] if speakers is not None else []
        self.speakers: dict[str, str | None] = {name.strip(): name for name in names} or {DEFAULT: None}
        """Voice -> speaker as the network knows it: some lists have line ends in their names."""
        self.languages = _languages(self._network.config, folder)
        """BCP 47 tag, lower case -> language as the network knows it, in its own order."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """In its language, by whoever trained it."""
        found = self._network.config.test_sentences
        return tuple(each[0] if isinstance(each, list) else each for each in found)

    def known(self, text: str, language: str) -> bool:
        """Whether it has a sign for anything of the text, once cleaned and spelt out."""
        with quiet():
            tokenizer = self._network.tokenizer
            ids = tokenizer.text_to_ids(text, language=self.languages[language])
        signs = tokenizer.characters
        marks = (signs.pad_id, signs.blank_id, signs.bos_id, signs.eos_id)
        spelt = tokenizer.decode([token for token in ids if token not in marks])
        return any(character.isalnum() for character in spelt)

    def said(self, text: str, voice: str, language: str, *, speed: float, seed: int) -> Samples:
        """The sound at `sample_rate`; what is drawn at random depends on the seed alone."""
        network = self._network
        cards = [network.device] if network.device.type == "cuda" else []
        if self._length is not None:
            network.length_scale = self._length / speed
        if self._architecture in stepwise.ARCHITECTURES:
            stepwise.bound(network, self._architecture, len(text))
        with torch.random.fork_rng(cards), quiet():
            torch.manual_seed(seed)
            made = network.synthesize(text, speaker=self.speakers[voice], language=self.languages[language])
            if self._vocoder is not None:
                sound = self._vocoder.sound(made["outputs"]["model_outputs"][0], network.ap, seed)
            else:
                sound = np.ascontiguousarray(np.atleast_1d(made["wav"]), np.float32)
        return sound if self._length is not None else stretch(sound, self.sample_rate, 1 / speed)

    def set_noise(self, sound: float | None, length: float | None) -> None:
        """How much of its sound and of its pace is drawn at random; None leaves what it was trained for."""
        drawn = "sampling_temp" if self._architecture in stepwise.HMM else "inference_noise_scale"
        for name, value in ((drawn, sound), ("inference_noise_scale_dp", length)):
            if value is not None:
                if not hasattr(self._network, name):
                    raise ValueError(f"nothing of that kind is drawn at random in {self._architecture}")
                setattr(self._network, name, value)

    def _fitting(self, folder: Folder, vocoder: Folder | str, place: str) -> Vocoder | GriffinLim | None:
        architecture = self._architecture
        if architecture in checkpoint.WHOLE:
            if vocoder:
                raise ValueError(
                    f"{architecture} makes sound by itself; `vocoder` is for: {', '.join(checkpoint.SPECTRAL)}"
                )
            return None
        if vocoder == GRIFFIN_LIM:
            return GriffinLim(self._network.config)
        if architecture == "tacotron":
            raise ValueError(f"tacotron makes spectrograms that no network takes: `vocoder` can be {GRIFFIN_LIM}")
        if not isinstance(vocoder, Folder):
            raise ValueError(
                f"{architecture} makes spectrograms: name a `vocoder` for {folder.config.parent}, or {GRIFFIN_LIM}"
            )
        found = Vocoder(vocoder, place)
        bands = self._network.ap.num_mels
        if found.bands != bands:
            raise ValueError(f"the vocoder takes {found.bands} bands, and the model makes {bands}")
        self.sample_rate = found.sample_rate
        return found


def _languages(config: Any, folder: Folder) -> dict[str, str]:
    """Of a model of one language that does not say which, by the model's name."""
    listed = [str(language) for language in config.languages]
    told = config.phoneme_language or any(dataset.get("language") for dataset in config.datasets)
    if len(listed) == 1 and folder.language and not told:
        return {tag(folder.language): listed[0]}
    return {tag(language): language for language in listed}


def tag(language: str) -> str:
    return language.strip().lower().replace("_", "-")

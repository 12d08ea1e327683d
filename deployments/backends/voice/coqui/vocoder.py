"""The second network of Coqui's older models: from a mel spectrogram to sound."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from deployments.backends.published.tensors import fill, read_tensors
from deployments.backends.voice import coqui_config, weight_norm
from deployments.backends.voice.coqui import statistics
from deployments.backends.voice.coqui.folder import Folder
from deployments.backends.voice.coqui.quiet import UNBUILDABLE, quiet
from deployments.backends.voice.coqui_config import damaged
from deployments.backends.voice.torchaudio import standing_in
from pipeline.contracts import Samples

ARCHITECTURES: Final = (
    "hifigan",
    "melgan",
    "multiband_melgan",
    "fullband_melgan",
    "parallel_wavegan",
    "univnet",
    "wavegrad",
)

_SCHEDULE: Final = ("min_val", "max_val", "num_steps")
"""Of a WaveGrad (Chen et al., arXiv:2009.00713): the noise that it takes away, from the last step to the first."""
_GENERATOR: Final = "model_g."
"""How the tensors of the network are called beside those of the critic that it was trained against."""


class Vocoder:
    """A generator on a device."""

    def __init__(self, folder: Folder, place: str) -> None:
        """Raises what `checkpoint.load` raises."""
        values = coqui_config.read(folder.config)
        name = str(values.get("model") or values.get("generator_model") or "").lower().removesuffix("_generator")
        if name not in ARCHITECTURES:
            raise ValueError(
                f"{folder.config.parent} is a vocoder of the architecture {name!r}; accepted are: "
                f"{', '.join(ARCHITECTURES)}"
            )
        whole = name == "wavegrad"
        values |= {"model": name, "generator_model": name if whole else f"{name}_generator"}
        with standing_in(), quiet():
            from TTS.config import register_config
            from TTS.utils.audio import AudioProcessor
            from TTS.vocoder.models import setup_generator, setup_model

            try:
                config: Any = register_config(name)()
                config.from_dict(values)
                self._processor: Any = AudioProcessor(config.audio)
                network: Any = setup_model(config) if whole else setup_generator(config)
                if whole:
                    network.compute_noise_level(np.linspace(*map(config.test_noise_schedule.get, _SCHEDULE)))
            except UNBUILDABLE as error:
                raise damaged(folder.config, f"no vocoder can be built by it: {error}") from error
        if (scale := coqui_config.statistics(folder.config)) is not None:
            statistics.give(self._processor, scale)
        tensors = read_tensors(folder.checkpoint)
        if any(name.startswith(_GENERATOR) for name in tensors):
            tensors = {
                name.removeprefix(_GENERATOR): tensor for name, tensor in tensors.items() if name.startswith(_GENERATOR)
            }
        fill(network, weight_norm.renamed(tensors), folder.checkpoint)
        weight_norm.folded(network)
        self._network = network.train(False).requires_grad_(False).to(place)
        self._place = place
        self.sample_rate: int = self._processor.sample_rate
        self.bands: int = self._processor.num_mels

    def sound(self, mel: Tensor, processor: Any, _: int) -> Samples:
        """From (frames, bands) as the first network makes them; `processor` is its own, which says what they mean.

        What some draw at random comes from torch's generator, which whoever calls has seeded.
        """
        plain = processor.denormalize(mel.float().cpu().numpy().T)
        given = torch.from_numpy(np.asarray(self._processor.normalize(plain), np.float32))[None]
        if self.sample_rate != processor.sample_rate:
            given = torch.nn.functional.interpolate(
                given[None],
                scale_factor=(1, self.sample_rate / processor.sample_rate),
                recompute_scale_factor=True,
                mode="bilinear",
                align_corners=False,
            )[0]
        with torch.inference_mode():
            made = self._network.inference(given.to(self._place))
        return np.ascontiguousarray(made.float().cpu().numpy().reshape(-1))

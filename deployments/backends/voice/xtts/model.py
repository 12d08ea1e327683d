"""XTTS itself: from text to token ids, from a clip to a likeness, from both to sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.backends.voice.torchaudio import resample
from deployments.backends.voice.xtts import checkpoint, generation, vocoder
from deployments.backends.voice.xtts.checkpoint import Likeness
from deployments.backends.voice.xtts.sampling import Sampling
from pipeline.contracts import Samples

_HEARD: Final = 22050
"""Hz at which the language model's part of a clip is heard."""


class Model:
    """A checkpoint on a device."""

    def __init__(self, folder: Path, place: str) -> None:
        """Raises what `checkpoint.load` raises."""
        loaded = checkpoint.load(folder, place)
        self._network: Any = loaded.network
        self.languages = loaded.languages
        self.speakers = loaded.speakers
        self.sample_rate: int = self._network.args.output_sample_rate
        self.capacity: int = self._network.gpt.max_gen_mel_tokens
        """Audio tokens, of 46 ms, that it can say at once."""

    def encoded(self, text: str, language: str) -> Tensor | None:
        """(1, n) token ids; None where they are more than the network takes. Raises `NotImplementedError` for figures
        in a language in which coqui-tts can't spell them."""
        ids = self._network.tokenizer.encode(text.lower(), lang=language)
        if len(ids) >= self._network.args.gpt_max_text_tokens:
            return None
        return torch.tensor([ids], device=self._network.mel_stats.device)

    def heard(self, samples: Samples, sample_rate: int, seconds: int, part: int) -> Likeness:
        """What `Xtts.get_conditioning_latents` of coqui-tts makes of the same clip in a file: of its first `seconds`,
        for the language model in parts of `part` seconds."""
        network = self._network
        sound = torch.from_numpy(np.ascontiguousarray(samples, np.float32))[None]
        sound = resample(sound, sample_rate, _HEARD).clamp(-1, 1)[:, : _HEARD * seconds]
        sound = sound.to(network.mel_stats.device)
        embedding: Any = network.get_speaker_embedding(sound, _HEARD)
        latent: Any = network.get_gpt_cond_latents(sound, _HEARD, length=seconds, chunk_length=part)
        return checkpoint.likeness(network, latent.clone(), embedding.clone())

    def likeness(self, arrays: Mapping[str, NDArray[np.float32]]) -> Likeness:
        """From what `arrays` gave. Raises `ValueError` for what is none of this network's."""
        if set(arrays) != {"latent", "embedding"}:
            raise ValueError(f"arrays named {', '.join(sorted(arrays))} for latent and embedding")
        latent, embedding = (torch.tensor(np.asarray(arrays[name])) for name in ("latent", "embedding"))
        return checkpoint.likeness(self._network, latent, embedding)

    def said(
        self, ids: Tensor, likeness: Likeness, manner: Sampling, *, limit: int, every: int, speed: float
    ) -> Iterator[Samples]:
        """Sound in pieces of `every` tokens, at most `limit` of them in all."""
        latents = generation.latents(self._network, ids, likeness, manner, limit)
        return vocoder.sound(self._network, latents, likeness, every, speed)


def arrays(likeness: Likeness) -> dict[str, NDArray[np.float32]]:
    """To keep."""
    return {"latent": likeness.latent.cpu().numpy(), "embedding": likeness.embedding.cpu().numpy()}

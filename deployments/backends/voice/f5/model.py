"""F5-TTS itself: a transformer that fills in the mel spectrogram of text after a recording, and a vocoder.

Chen et al., "F5-TTS: A Fairytaler that Fakes Fluent and Faithful Speech with Flow Matching", arXiv:2410.06885. The
networks are those of f5-tts and vocos; the files are read here. What is done around them is what f5-tts 1.1.22 does in
`infer_batch_process`, with the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from torch import Tensor, nn

from deployments.backends.published.tensors import fill, read_tensors
from deployments.backends.voice.coqui_config import damaged
from deployments.backends.voice.f5 import library
from deployments.backends.voice.f5.recording import Recording
from deployments.backends.voice.torchaudio import resample
from pipeline.contracts import Samples

SAMPLE_RATE: Final = 24_000
HOP: Final = 256
"""Samples between two frames."""
BANDS: Final = 100
HEAD: Final = 64
"""Channels of one head of attention."""
LOUDNESS: Final = 0.1
"""Root mean square that quieter recordings are raised to before they are heard."""
BRIEF, BRIEF_PACE = 10, 0.3
"""Bytes of text below which it is said so much slower: the pace of long texts is too fast for a word or two."""

WEIGHTS: Final = "F5TTS_v1_Base/model_1250000.safetensors"
VOCABULARY: Final = "F5TTS_v1_Base/vocab.txt"
_AVERAGED: Final = "ema_model."
"""How the trainer names the tensors of the averaged network, which is the one that is published."""
_TRAINING: Final = ("initted", "step")
"""What the trainer counts beside them."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How noise becomes speech."""

    steps: int = 32
    guidance: float = 2.0
    sway: float = -1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording as the network takes it."""

    mel: Tensor
    """(1, n, BANDS), on the network's device."""
    frames: int
    """Whole ones of it, after which what is said begins."""
    raised: float
    """How much louder it was made."""
    text: str
    """What is said in it, as `closed` ends it."""


class Model:
    """Both networks, on a device, in float32."""

    sample_rate = SAMPLE_RATE

    def __init__(self, weights: Path, vocoder: Path, place: str, flow: Flow) -> None:
        """Raises `Damaged`, code damaged_weights, saying what does not fit: every tensor of a file has to have its
        place in the network, and the other way round."""
        self._network = _transformer(weights).to(place)
        self._vocoder = _vocoder(vocoder).to(place)
        self._place, self._flow = torch.device(place), flow
        self._spelt = library.part("f5_tts.model.utils", "convert_char_to_pinyin")

    def heard(self, voice: Recording) -> Heard:
        """What of a recording is the same for whatever is said in its voice."""
        sound = torch.from_numpy(voice.samples)[None]
        raised = max(1.0, LOUDNESS / float(sound.square().mean().sqrt()))
        sound = resample(sound * raised, voice.sample_rate, SAMPLE_RATE).to(self._place)
        with torch.inference_mode():
            mel = self._network.mel_spec(sound).mT
        return Heard(mel, sound.shape[-1] // HOP, raised, closed(voice.text))

    def said(self, text: str, voice: Heard, speed: float) -> Samples:
        """(n,) float32 of the text in the voice of a recording, at `speed` times its pace."""
        length = voice.frames + new_frames(voice.frames, voice.text, text, speed)
        mel = self._filled(voice.mel, self._spelt([voice.text + text]), length)[:, voice.frames :]
        with torch.inference_mode():
            made = self._vocoder["head"](self._vocoder["backbone"](mel.mT))
        return (made[0] / voice.raised).clamp(-1, 1).cpu().numpy()

    def _filled(self, known: Tensor, text: list[list[str]], frames: int) -> Tensor:
        """(1, frames, BANDS): the mel spectrogram of the recording, gone on with."""
        flow, network = self._flow, self._network
        network.transformer.clear_cache()  # of a call that was broken off
        cards = [self._place] if self._place.type == "cuda" else []
        with torch.random.fork_rng(cards), torch.inference_mode():
            mel, _ = network.sample(
                known,
                text,
                frames,
                steps=flow.steps,
                cfg_strength=flow.guidance,
                sway_sampling_coef=flow.sway or None,
                seed=flow.seed,
            )
        return mel


def closed(text: str) -> str:
    """The text of a recording, so that it ends where the next sentence begins: with a full stop and the spaces after it
    that f5-tts was found to speak best with."""
    if text.endswith("。"):
        return text
    return f"{text}  " if text.endswith(".") else f"{text}.  "


def new_frames(frames: int, known: str, text: str, speed: float) -> int:
    """How long the text becomes: bytes of it take as long as bytes of the recording's text do."""
    pace = speed * BRIEF_PACE if len(text.encode()) < BRIEF else speed
    return int(frames / len(known.encode()) * len(text.encode()) / pace)


def _transformer(folder: Path) -> Any:
    vocabulary = _vocabulary(folder / VOCABULARY)
    tensors = _averaged(read_tensors(folder / WEIGHTS))
    try:
        sizes = _sizes(tensors)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise damaged(folder / WEIGHTS, f"it is no F5-TTS: {error} is missing or has another shape") from error
    transformer = library.part("f5_tts.model.backbones.dit", "DiT")(
        **sizes, text_num_embeds=len(vocabulary), mel_dim=BANDS, dim_head=HEAD
    )
    network = library.part("f5_tts.model.cfm", "CFM")(
        transformer,
        mel_spec_kwargs={
            "n_fft": 4 * HOP,
            "win_length": 4 * HOP,
            "hop_length": HOP,
            "n_mel_channels": BANDS,
            "target_sample_rate": SAMPLE_RATE,
            "mel_spec_type": "vocos",
        },
        vocab_char_map=vocabulary,
    )
    fill(network, tensors, folder / WEIGHTS)
    return network.eval().requires_grad_(False)


def _vocabulary(path: Path) -> dict[str, int]:
    """The number of each sign: its line. The first is the space, which also stands for what is not there."""
    try:
        signs = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise damaged(path, f"it is no vocabulary: {error}") from error
    signs = signs[:-1] if signs[-1] == "" else signs
    if signs[:1] != [" "] or len(set(signs)) != len(signs):
        raise damaged(path, "it is no vocabulary: a sign on each line, the space first, none of them twice")
    return {sign: number for number, sign in enumerate(signs)}


def _averaged(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what the trainer saves along; the filters of the mel spectrogram, which early checkpoints have, as well:
    they are computed."""
    kept = {name.removeprefix(_AVERAGED): tensor for name, tensor in tensors.items() if name not in _TRAINING}
    return {name: tensor for name, tensor in kept.items() if not name.startswith("mel_spec.")}


def _sizes(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """The network's, by the shapes of its tensors: those of the published one are 22 layers of 1024 channels."""
    dim = tensors["transformer.proj_out.weight"].shape[1]
    first = "transformer.transformer_blocks.0"
    return {
        "dim": dim,
        "depth": _count(tensors, "transformer.transformer_blocks."),
        "heads": tensors[f"{first}.attn.to_q.weight"].shape[0] // HEAD,
        "ff_mult": tensors[f"{first}.ff.ff.0.0.weight"].shape[0] // dim,
        "text_dim": tensors["transformer.text_embed.text_embed.weight"].shape[1],
        "conv_layers": _count(tensors, "transformer.text_embed.text_blocks."),
    }


def _count(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).partition(".")[0] for name in tensors if name.startswith(prefix)})


def _vocoder(folder: Path) -> nn.ModuleDict:
    """Vocos (Siuzdak, arXiv:2306.00814): its backbone and its head, of the two classes that the published one has."""
    path = folder / "config.yaml"
    parts: dict[str, nn.Module] = {}
    for name, module, kind in (("backbone", "vocos.models", "VocosBackbone"), ("head", "vocos.heads", "ISTFTHead")):
        try:
            told = yaml.safe_load(path.read_text(encoding="utf-8"))[name]
            if told["class_path"] != f"{module}.{kind}":
                raise damaged(path, f"{name} is a {told['class_path']}, for {module}.{kind}")
            parts[name] = library.part(module, kind)(**told["init_args"])
        except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, ValueError) as error:
            raise damaged(path, f"it is no configuration of Vocos: {error}") from error
    network = nn.ModuleDict(parts)
    tensors = read_tensors(folder / "pytorch_model.bin")
    heard = {name: tensor for name, tensor in tensors.items() if not name.startswith("feature_extractor.")}
    fill(network, heard, folder / "pytorch_model.bin")
    return network.eval().requires_grad_(False)

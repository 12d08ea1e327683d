"""F5-TTS and Vocos with random weights in the layout of the published files: real code, no speech.

Names and shapes are written down here, without the library: that it takes them shows that they are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

import torch
import yaml
from safetensors.torch import save_file

PUBLISHED: Final = {"dim": 1024, "depth": 22, "text_dim": 512, "text_layers": 4, "signs": 2545}
TINY: Final = {"dim": 64, "depth": 2, "text_dim": 32, "text_layers": 1, "signs": 97}
VOCODER: Final = {"dim": 512, "intermediate_dim": 1536, "num_layers": 8}
TINY_VOCODER: Final = {"dim": 32, "intermediate_dim": 64, "num_layers": 1}
BANDS, HEAD, FFT, HOP = 100, 64, 1024, 256

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def shapes(dim: int, depth: int, text_dim: int, text_layers: int, signs: int) -> Shapes:
    """Of every tensor of the network, by its name."""
    yield from _layer("time_embed.time_mlp.0", dim, 256)
    yield from _layer("time_embed.time_mlp.2", dim, dim)
    yield "text_embed.text_embed.weight", (signs + 1, text_dim)
    for number in range(text_layers):
        block = f"text_embed.text_blocks.{number}"
        yield from _layer(f"{block}.dwconv", text_dim, 1, 7)
        yield from _layer(f"{block}.norm", text_dim)
        yield from _layer(f"{block}.pwconv1", 2 * text_dim, text_dim)
        yield f"{block}.grn.gamma", (1, 1, 2 * text_dim)
        yield f"{block}.grn.beta", (1, 1, 2 * text_dim)
        yield from _layer(f"{block}.pwconv2", text_dim, 2 * text_dim)
    yield from _layer("input_embed.proj", dim, 2 * BANDS + text_dim)
    for number in (0, 2):
        yield from _layer(f"input_embed.conv_pos_embed.conv1d.{number}", dim, dim // 16, 31)
    yield "rotary_embed.inv_freq", (HEAD // 2,)
    for number in range(depth):
        block = f"transformer_blocks.{number}"
        yield from _layer(f"{block}.attn_norm.linear", 6 * dim, dim)
        for name in ("to_q", "to_k", "to_v", "to_out.0"):
            yield from _layer(f"{block}.attn.{name}", dim, dim)
        yield from _layer(f"{block}.ff.ff.0.0", 2 * dim, dim)
        yield from _layer(f"{block}.ff.ff.2", dim, 2 * dim)
    yield from _layer("norm_out.linear", 2 * dim, dim)
    yield from _layer("proj_out", BANDS, dim)


def vocoder_shapes(dim: int, intermediate_dim: int, num_layers: int) -> Shapes:
    """The same of Vocos, with the features that only its training computes."""
    yield "feature_extractor.mel_spec.spectrogram.window", (FFT,)
    yield "feature_extractor.mel_spec.mel_scale.fb", (FFT // 2 + 1, BANDS)
    yield from _layer("backbone.embed", dim, BANDS, 7)
    yield from _layer("backbone.norm", dim)
    for number in range(num_layers):
        block = f"backbone.convnext.{number}"
        yield f"{block}.gamma", (dim,)
        yield from _layer(f"{block}.dwconv", dim, 1, 7)
        yield from _layer(f"{block}.norm", dim)
        yield from _layer(f"{block}.pwconv1", intermediate_dim, dim)
        yield from _layer(f"{block}.pwconv2", dim, intermediate_dim)
    yield from _layer("backbone.final_layer_norm", dim)
    yield from _layer("head.out", FFT + 2, dim)
    yield "head.istft.window", (FFT,)


def write(folder: Path, seed: int = 0, *, tiny: bool = True) -> dict[str, str]:
    """Both models, small or of their real sizes, below `folder`; the backend's options that name them."""
    sizes, vocoder_sizes = (TINY, TINY_VOCODER) if tiny else (PUBLISHED, VOCODER)
    drawn = torch.Generator().manual_seed(seed)
    weights, vocoder = folder / "f5-tts", folder / "vocos"
    (weights / "F5TTS_v1_Base").mkdir(parents=True)
    vocoder.mkdir()
    signs = [chr(code) for code in range(32, 127)] + ["ni3", "hao3"]
    signs += [chr(0x4E00 + place) for place in range(sizes["signs"] - len(signs))]
    (weights / "F5TTS_v1_Base/vocab.txt").write_bytes("".join(f"{sign}\r\n" for sign in signs).encode())  # as published
    tensors = {f"ema_model.transformer.{name}": _random(shape, drawn) for name, shape in shapes(**sizes)}
    tensors["ema_model.transformer.rotary_embed.inv_freq"] = 10_000.0 ** (-torch.arange(0, HEAD, 2) / HEAD)
    counted = {"initted": torch.tensor(True), "step": torch.tensor(1_250_000)}
    save_file(tensors | counted, weights / "F5TTS_v1_Base/model_1250000.safetensors")
    told = {
        "backbone": {
            "class_path": "vocos.models.VocosBackbone",
            "init_args": {"input_channels": BANDS, **vocoder_sizes},
        },
        "head": {
            "class_path": "vocos.heads.ISTFTHead",
            "init_args": {"dim": vocoder_sizes["dim"], "n_fft": FFT, "hop_length": HOP, "padding": "center"},
        },
    }
    (vocoder / "config.yaml").write_text(yaml.safe_dump(told))
    network = {name: _random(shape, drawn) for name, shape in vocoder_shapes(**vocoder_sizes)}
    network["head.istft.window"] = torch.hann_window(FFT)
    torch.save(network, vocoder / "pytorch_model.bin")
    return {"weights": str(weights), "vocoder": str(vocoder)}


def _layer(name: str, *shape: int) -> Shapes:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _random(shape: tuple[int, ...], drawn: torch.Generator) -> torch.Tensor:
    fan = prod(shape[1:]) or 1
    return torch.randn(shape, generator=drawn) * (fan**-0.5 if len(shape) > 1 else 0.1)

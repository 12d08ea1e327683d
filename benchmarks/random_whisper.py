"""A Whisper with random weights, in the layout that faster-whisper's models are published in: real code, no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY = 51_865
"""Tokens of the multilingual models."""
TEXT = 50_257
WORDS = 40
"""Tokens that the model says above all others."""


def codes() -> list[str]:
    """Languages of the models before the third version."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    return [code for code in _LANGUAGE_CODES if code != "yue"]


def tokens() -> list[str]:
    """Bytes, words, and Whisper's own: the end, languages, tasks and times."""
    from tokenizers.pre_tokenizers import ByteLevel

    plain = sorted(ByteLevel.alphabet())
    plain += [f"Ġword{number}" for number in range(TEXT - 1 - len(plain))]
    plain.append("")  # which the multilingual vocabulary has, and by which CTranslate2 knows it
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in codes())]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"]
    times = [f"<|{number * 0.02:.2f}|>" for number in range(1501)]
    made = [*plain, *special, "<|notimestamps|>", *times]
    assert len(made) == VOCABULARY
    return made


def write(folder: Path, *, layers: int = 1, width: int = 16, heads: int = 2, inner: int = 16) -> Path:
    """config.json, model.bin, tokenizer.json and vocabulary.txt, by CTranslate2's own description of a Whisper.

    Whisper small has 12 layers of 768 channels with 12 heads, 3072 inside a layer.
    """
    from ctranslate2.specs.whisper_spec import WhisperSpec
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)

    random = np.random.default_rng(1)

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.02, shape).astype(np.float32)

    def linear(spec: Any, rows: int, columns: int) -> None:
        spec.weight, spec.bias = drawn(rows, columns), np.zeros(rows, np.float32)

    def normal(spec: Any) -> None:
        spec.gamma, spec.beta = np.ones(width, np.float32), np.zeros(width, np.float32)

    def attention(spec: Any, *rows: int) -> None:
        normal(spec.layer_norm)
        for part, count in zip(spec.linear, rows, strict=True):
            linear(part, count, width)

    names = tokens()
    spec: Any = WhisperSpec(layers, heads, layers, heads)
    encoder, decoder = spec.encoder, spec.decoder
    for conv, channels in ((encoder.conv1, 80), (encoder.conv2, width)):
        conv.weight, conv.bias = drawn(width, channels, 3), np.zeros(width, np.float32)
    encoder.position_encodings.encodings = drawn(1500, width)
    decoder.position_encodings.encodings = drawn(448, width)
    for part in (encoder, decoder):
        normal(part.layer_norm)
        for layer in part.layer:
            attention(layer.self_attention, 3 * width, width)
            normal(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, inner, width)
            linear(layer.ffn.linear_1, width, inner)
    for layer in decoder.layer:
        attention(layer.attention, width, 2 * width, width)
    every = drawn(VOCABULARY, width)
    every[300 : 300 + WORDS] *= 50
    every[TEXT] *= 50
    decoder.embeddings.weight = decoder.projection.weight = every
    spec.register_vocabulary(names)
    spec.config.alignment_heads = [[layers - 1, head] for head in range(2)]
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], [220, TEXT]
    spec.config.lang_ids = [names.index(f"<|{code}|>") for code in codes()]
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    (folder / "vocabulary.json").unlink()
    (folder / "vocabulary.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    tokenizer = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names[TEXT:]])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder

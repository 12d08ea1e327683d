"""An XTTS checkpoint with random weights, in the layout of the published one: real code, no speech."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.trainers import BpeTrainer

from deployments.backends.voice.torchaudio import standing_in

LANGUAGES = ("en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh-cn", "hu", "ko", "ja", "hi")
TEXT = (
    "the quick brown fox jumps over the lazy dog while a voice that was never trained says every letter it is given. "
    "zwölf boxkämpfer jagen viktor quer über den großen sylter deich. съешь же ещё этих мягких французских булок."
)


def write(
    folder: Path,
    *,
    layers: int = 2,
    channels: int = 64,
    heads: int = 2,
    audio_tokens: int = 605,
    speakers: int = 2,
    seed: int = 0,
) -> Path:
    """Writes config.json, vocab.json, model.pth and speakers_xtts.pth into `folder`, which it returns.

    The published model has 30 layers of 1024 channels with 16 heads, and 58 speakers. `audio_tokens` is how much it
    can say at once. The vocoder and the speaker encoder are of their real size, some 90 MB.
    """
    with standing_in():
        from TTS.tts.configs.xtts_config import XttsConfig
        from TTS.tts.models.xtts import Xtts

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _vocabulary()
    vocabulary.save(str(folder / "vocab.json"))
    config = XttsConfig()
    arguments: Any = config.model_args
    for name, value in {
        "gpt_layers": layers,
        "gpt_n_model_channels": channels,
        "gpt_n_heads": heads,
        "gpt_max_audio_tokens": audio_tokens,
        "gpt_number_text_tokens": vocabulary.get_vocab_size(),
        "gpt_start_text_token": vocabulary.token_to_id("[START]"),
        "gpt_stop_text_token": vocabulary.token_to_id("[STOP]"),
        "gpt_num_audio_tokens": 1026,
        "gpt_start_audio_token": 1024,
        "gpt_stop_audio_token": 1025,
        "gpt_use_perceiver_resampler": True,
        "decoder_input_dim": channels,
    }.items():
        setattr(arguments, name, value)
    config.languages = list(LANGUAGES)
    config.save_json(str(folder / "config.json"))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        network: Any = Xtts(config)
        network.gpt.mel_head.weight.data *= 6  # else as good as flat: nothing that is set would change what is said
        weights = network.state_dict()
        likenesses = {
            f"Speaker {number}": {
                "gpt_cond_latent": torch.randn(1, 32, channels),
                "speaker_embedding": torch.nn.functional.normalize(torch.randn(1, 512, 1), dim=1),
            }
            for number in range(1, speakers + 1)
        }
    torch.save({"model": weights, "config": config.to_dict()}, folder / "model.pth")
    torch.save(likenesses, folder / "speakers_xtts.pth")
    return folder


def _vocabulary() -> Tokenizer:
    tokenizer = Tokenizer(BPE(unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = Whitespace()
    special = ["[STOP]", "[UNK]", "[SPACE]", "[START]", *(f"[{language}]" for language in LANGUAGES)]
    tokenizer.train_from_iterator(TEXT.split(), BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    return tokenizer

"""Models of Coqui's that make spectrograms, and vocoders: small, with random weights, in the layout of coqui-tts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from deployments.backends.voice.torchaudio import standing_in

_FORWARD = {"hidden_channels_ffn": 16, "num_heads": 1, "num_layers": 1, "dropout_p": 0.1}
_TRANSFORMERS = {"hidden_channels": 16, "encoder_params": _FORWARD, "decoder_params": _FORWARD}
_HMM = {
    "state_per_phone": 1,
    "encoder_in_out_features": 16,
    "prenet_dim": 8,
    "memory_rnn_dim": 16,
    "outputnet_size": [16],
    "flat_start_params": {"mean": 0.0, "std": 1.0, "transition_p": 0.2},
    "sampling_temp": 0.3,
}
SMALL: dict[str, dict[str, Any]] = {
    "glow_tts": {
        "hidden_channels_enc": 16,
        "hidden_channels_dec": 16,
        "hidden_channels_dp": 16,
        "num_flow_blocks_dec": 2,
    },
    "fast_pitch": _TRANSFORMERS,
    "fast_speech": _TRANSFORMERS,
    "fastspeech2": _TRANSFORMERS,
    "speedy_speech": {"hidden_channels": 16},
    "align_tts": {**_TRANSFORMERS, "hidden_channels_dp": 16},
    # Their sizes are fixed. Their training began with more frames a step than it ended with.
    "tacotron": {"r": 3, "prenet_dropout_at_inference": True},
    "tacotron2": {
        "r": 3,
        "prenet_dropout_at_inference": True,
        "double_decoder_consistency": True,
        "ddc_r": 4,
    },
    "overflow": {**_HMM, "hidden_channels_dec": 16, "num_flow_blocks_dec": 2, "num_block_layers": 1},
    "neuralhmm_tts": _HMM,
}
AT_ONCE = 2
"""Frames a step with which the training of a Tacotron ended."""
GENERATORS: dict[str, dict[str, Any]] = {
    "hifigan": {
        "upsample_factors": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 32,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3, 5]],
        "resblock_type": "1",
    },
    "melgan": {"upsample_factors": [8, 8, 2, 2], "num_res_blocks": 1},
    "multiband_melgan": {"upsample_factors": [8, 4, 2], "num_res_blocks": 1},
    "fullband_melgan": {"upsample_factors": [8, 8, 2, 2], "num_res_blocks": 1},
    "parallel_wavegan": {"upsample_factors": [4, 4, 4, 4], "stacks": 1, "num_res_blocks": 2},
    "univnet": {"hidden_channels": 8, "lvc_layers_each_block": 1, "kpnet_hidden_channels": 8},
    "wavegrad": {
        "use_weight_norm": True,
        "y_conv_channels": 4,
        "x_conv_channels": 8,
        "dblock_out_channels": [4, 4, 8, 8],
        "ublock_out_channels": [8, 8, 8, 4, 4],
    },
}


def write(folder: Path, architecture: str, *, speakers: tuple[str, ...] = (), scaled: bool = False) -> Path:
    """Writes config.json, model_file.pth and, for several speakers, their list into `folder`, and returns it.

    `scaled` adds scale_stats.npy. tacotron2+gst has style tokens, tacotron2+capacitron that network's kind of them.
    """
    architecture, _, style = architecture.partition("+")
    folder.mkdir(parents=True, exist_ok=True)
    with standing_in(), torch.random.fork_rng([]):
        from TTS.config import register_config
        from TTS.tts.configs.shared_configs import CapacitronVAEConfig, GSTConfig
        from TTS.tts.models import setup_model

        config: Any = register_config(architecture)()
        for name, value in SMALL[architecture].items():
            setattr(config.model_args if name in config.model_args else config, name, value)
        if speakers:
            config.speakers = list(speakers)
            config.model_args.use_speaker_embedding = config.use_speaker_embedding = True
            config.model_args.num_speakers = config.num_speakers = len(speakers)
        if style == "gst":
            config.gst, config.use_gst = GSTConfig(), True
        if style == "capacitron":
            config.capacitron_vae, config.use_capacitron_vae = CapacitronVAEConfig(), True
        config.text_cleaner = "basic_cleaners"
        if architecture == "glow_tts":
            config.inference_noise_scale = 0.3
        torch.manual_seed(0)
        network: Any = setup_model(config)
    if architecture.startswith("tacotron"):
        _ending(network.decoder, style)
    if hasattr(network, "mean"):
        network.mean, network.std = torch.tensor(-5.0), torch.tensor(2.0)
    for name, parameter in network.named_parameters():
        if name.endswith("duration_predictor.proj.bias"):
            parameter.data.fill_(1.6)  # some five frames for each letter
        elif not parameter.abs().max():  # what begins at nothing, so that nothing is left without an effect
            parameter.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(2))
    beside = {"r": AT_ONCE} if architecture.startswith("tacotron") else {}
    return _saved(folder, network.config.to_dict(), network.state_dict(), scaled, beside)


def write_vocoder(
    folder: Path, architecture: str = "hifigan", *, rate: int = 22050, bands: int = 80, scaled: bool = False
) -> Path:
    """A generator, with a tensor of the critic that it was trained against; or a WaveGrad, which has none."""
    folder.mkdir(parents=True, exist_ok=True)
    with standing_in(), torch.random.fork_rng([]):
        from TTS.config import register_config
        from TTS.vocoder.models import setup_generator, setup_model

        config: Any = register_config(architecture)()
        config.audio.sample_rate, config.audio.num_mels = rate, bands
        torch.manual_seed(1)
        if architecture == "wavegrad":
            for name, value in GENERATORS[architecture].items():
                setattr(config.model_params, name, value)
            config.test_noise_schedule["num_steps"] = 3
            return _saved(folder, config.to_dict(), setup_model(config).state_dict(), scaled)
        config.generator_model_params |= GENERATORS[architecture]
        if architecture == "univnet":  # coqui-tts reads it with its critic alone
            return _saved(folder, config.to_dict(), setup_model(config).state_dict(), scaled)
        tensors = setup_generator(config).state_dict()
    named = {f"model_g.{name}": tensor for name, tensor in tensors.items()}
    return _saved(folder, config.to_dict(), named | {"model_d.conv.bias": torch.zeros(3)}, scaled)


def absolute(folder: Path) -> Path:
    """A configuration that names the files of its folder as coqui-tts itself needs it."""
    values = json.loads((folder / "config.json").read_text())
    if values["audio"].get("stats_path"):
        values["audio"]["stats_path"] = str(folder / "scale_stats.npy")
    path = folder / "absolute.json"
    path.write_text(json.dumps(values))
    return path


def without_critic(folder: Path) -> Path:
    """A vocoder's weights in the layout of before coqui-tts 0.0.15, which alone it reads without the critic's; those
    that have all of it, or need none, as they are."""
    held = torch.load(folder / "model_file.pth", weights_only=True)["model"]
    if "model_d.conv.bias" not in held:
        return folder / "model_file.pth"
    plain = {name.removeprefix("model_g."): held[name] for name in held if name.startswith("model_g.")}
    path = folder / "plain" / "model_file.pth"
    path.parent.mkdir(exist_ok=True)
    torch.save({"model": plain, "model_disc": {}}, path)
    return path


def _ending(decoder: Any, style: str) -> None:
    """Has a Tacotron of random weights end after a while, which it would not, or at once.

    With style tokens, what its stop net says falls from the first step on and comes to rest: it ends near there.
    """
    weight, bias = (-30.0, -2.46) if style == "gst" else (30.0, 0.0)
    for name, parameter in decoder.stopnet.named_parameters():
        if name.endswith("weight"):
            parameter.data.mul_(weight)
        else:
            parameter.data.fill_(bias)


def _saved(
    folder: Path,
    values: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    scaled: bool,
    beside: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    if scaled:
        values["audio"]["stats_path"] = "/home/trainer/scale_stats.npy"
        draw = np.random.default_rng(len(tensors))
        bands, bins = values["audio"]["num_mels"], values["audio"]["fft_size"] // 2 + 1
        statistics: Any = {
            "mel_mean": draw.normal(-40, 5, bands),
            "mel_std": draw.uniform(5, 15, bands),
            "linear_mean": draw.normal(-40, 5, bins),
            "linear_std": draw.uniform(5, 15, bins),
            "audio_config": {"sample_rate": values["audio"]["sample_rate"], "trim_db": np.float64(60)},
        }
        np.save(folder / "scale_stats.npy", statistics, allow_pickle=True)
    (folder / "config.json").write_text(json.dumps(values))
    torch.save({"model": tensors, "step": 7, **beside}, folder / "model_file.pth")
    return folder

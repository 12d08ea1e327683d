"""Stable Diffusion on a card: seconds a portrait, against diffusers' own best for the same settings, and peak memory.

    python -m benchmarks.gpu_diffusion [--only sd15] [--steps 25] [--compiled] [--folder DIR] [--tiny]

No Ray. Published weights are used where they are on this machine; otherwise the networks have their real size and
random weights, which cost the same time and memory. With --tiny, or where there is no card, they are small and the
figures mean nothing but that the script runs. With --compiled, diffusers' UNet is compiled, as its guide to speed says.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from benchmarks import gpu_memory, gpu_report
from benchmarks.gpu_timing import arithmetic, matrix_rate, timed, watched
from pipeline.contracts import PortraitRequest

VAE: Final[dict[str, Any]] = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
REAL_VAE: Final[dict[str, Any]] = VAE | {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}
TINY_VAE: Final[dict[str, Any]] = VAE | {"block_out_channels": [8] * 4, "layers_per_block": 1, "norm_num_groups": 4}
CLIP_L: Final = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_G: Final = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
TINY_CLIP: Final = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
TINY_UNET: Final[dict[str, Any]] = {
    "sample_size": 64,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": 4,
}
WORDS: Final = "a woman with short grey hair"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is measured."""

    name: str
    kind: str
    """Class in diffusers."""
    side: int
    """Pixels that it draws at."""
    option: str
    """The backend's option for that."""
    unet: dict[str, Any]
    text: tuple[dict[str, int], ...]
    """Its text encoders."""


SUBJECTS: Final = (
    Subject(
        "sd15",
        "StableDiffusionPipeline",
        512,
        "image_size",
        {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64},
        (CLIP_L,),
    ),
    Subject(
        "sdxl",
        "StableDiffusionXLPipeline",
        1024,
        "side",
        {
            "sample_size": 128,
            "block_out_channels": [320, 640, 1280],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "attention_head_dim": [5, 10, 20],
            "transformer_layers_per_block": [1, 2, 10],
            "cross_attention_dim": 2048,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "use_linear_projection": True,
        },
        (CLIP_L, CLIP_G),
    ),
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[subject.name for subject in SUBJECTS])
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--folder", type=Path, help="where models of random weights are made; a temporary one")
    parser.add_argument("--tiny", action="store_true", help="small networks")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not card
    gpu_report.head(gpu_report.machine(torch), f"{chosen.steps} steps, {'small' if tiny else 'real'} networks", card)
    if card and not chosen.compiled:
        print("NOT RUN: diffusers' compiled UNet, which is its best: --compiled.")
    for subject in SUBJECTS:
        if chosen.only in (None, subject.name):
            with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
                gpu_report.show(measured(subject, chosen, Path(folder), card, tiny), f"{subject.name}, ")


def measured(subject: Subject, chosen: argparse.Namespace, folder: Path, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch

    from deployments.backends import device, registry

    if card:
        device.use(device.Cuda(None, 0))
    side = 64 if tiny else subject.side
    weights = (None if tiny else gpu_report.published(subject.name)) or str(made(subject, folder, tiny))
    precision = "float16" if card else "float32"
    row = registry.find("avatar", subject.name)
    options = {subject.option: side, "steps": chosen.steps, "style": "none", "precision": precision}
    if card:
        torch.cuda.empty_cache()  # of the model before
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    ours = registry.load(row, {"weights": weights, **options})
    figures = {"loaded, s": time.perf_counter() - started}
    request = PortraitRequest(WORDS, size=max(128, side))
    draw = partial(ours.draw, request)
    figures["a portrait, s"] = timed(torch, draw, card, 5, 3)
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)
    unet = ours._pipeline.unet
    flop = arithmetic(unet, "forward", draw)
    with watched(torch, unet, "forward", card) as steps:
        draw()
    figures["of that the UNet, ms a step"] = 1000 * sum(steps) / len(steps)
    if card:
        rate = matrix_rate(torch, unet.dtype)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        figures["share of it that the UNet uses"] = flop * len(steps) / sum(steps) / 1e12 / rate
    del ours, draw, unet

    def drawn(**sizes: int) -> None:
        pixels = {name: size // 48 * 8 if tiny else size for name, size in sizes.items()}
        model = registry.load(row, {"weights": weights, **options, **pixels})
        model.draw(PortraitRequest(WORDS, size=max(128, *pixels.values())))

    figures |= gpu_memory.at_each(row, chosen.footprints, card, drawn)
    theirs = reference(subject, weights, chosen.compiled and card, card)
    ask = {"prompt": WORDS, "width": side, "height": side, "num_inference_steps": chosen.steps, "output_type": "np"}
    guidance = {"sd15": 7.0, "sdxl": 6.0}[subject.name]
    with torch.inference_mode():
        figures["diffusers' best, s"] = timed(torch, lambda: theirs(guidance_scale=guidance, **ask), card, 5, 3)
    figures["times diffusers' best"] = figures["a portrait, s"] / figures["diffusers' best, s"]
    return figures


def reference(subject: Subject, weights: str, compiled: bool, card: bool) -> Any:
    """diffusers' pipeline with the same weights, numbers and scheduler, as fast as its guide to speed makes it."""
    import diffusers
    import torch

    parts = {"safety_checker": None, "requires_safety_checker": False} if subject.name == "sd15" else {}
    half = any(Path(weights).rglob("*.fp16.safetensors"))
    pipeline = getattr(diffusers, subject.kind).from_pretrained(
        weights,
        dtype=torch.float16 if card else torch.float32,
        variant="fp16" if half else None,
        local_files_only=True,
        **parts,
    )
    pipeline.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to("cuda" if card else "cpu")
    for network in (pipeline.unet, pipeline.vae):
        network.to(memory_format=torch.channels_last)
    if compiled:
        pipeline.unet = torch.compile(pipeline.unet, mode="max-autotune", fullgraph=True)
        pipeline.vae.decode = torch.compile(pipeline.vae.decode, mode="max-autotune", fullgraph=True)
    return pipeline


def made(subject: Subject, folder: Path, tiny: bool) -> Path:
    """A model of random weights in diffusers' layout."""
    import diffusers
    import torch
    import transformers

    torch.manual_seed(0)
    encoders = [TINY_CLIP] * len(subject.text) if tiny else list(subject.text)
    widths = [encoder["hidden_size"] for encoder in encoders]
    unet = dict(subject.unet)
    if tiny:
        unet = {key: value for key, value in unet.items() if key.startswith(("addition_embed", "use_"))} | TINY_UNET
        unet["cross_attention_dim"] = sum(widths)
        if len(widths) > 1:
            unet |= {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": widths[-1] + 6 * 8}
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        networks: dict[str, Any] = {
            "unet": diffusers.UNet2DConditionModel(**unet),
            "vae": diffusers.AutoencoderKL(**(TINY_VAE if tiny else REAL_VAE)),
        }
        for number, encoder in enumerate(encoders):
            kind = transformers.CLIPTextModelWithProjection if number else transformers.CLIPTextModel
            config = cast(Any, transformers.CLIPTextConfig)(
                **encoder,
                vocab_size=514 if tiny else 49_408,
                projection_dim=encoder["hidden_size"],
                bos_token_id=512,
                eos_token_id=513,
                pad_token_id=1,
            )
            networks["text_encoder_2" if number else "text_encoder"] = cast(Any, kind)(config)
    index: dict[str, Any] = {"_class_name": subject.kind, "scheduler": ["diffusers", "EulerDiscreteScheduler"]}
    for name, network in networks.items():
        network.half().save_pretrained(folder / name)
        library = "transformers" if name.startswith("text") else "diffusers"
        index[name] = [library, type(network).__name__]
        if library == "transformers":
            words = name.replace("text_encoder", "tokenizer")
            index[words] = ["transformers", "CLIPTokenizer"]
            tokenizer(folder / words)
    if subject.name == "sd15":
        index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    cast(Any, diffusers.EulerDiscreteScheduler)(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    ).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def tokenizer(folder: Path) -> None:
    """CLIP's with letters for words: what a text says does not matter here."""
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters += [256 + index for index in range(256 - len(letters))]
    tokens = [chr(letter) for letter in letters] + [f"{chr(letter)}</w>" for letter in letters]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    ends = {"bos_token": tokens[-2], "eos_token": tokens[-1], "unk_token": tokens[-1], "pad_token": tokens[-1]}
    told = {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", **ends}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()

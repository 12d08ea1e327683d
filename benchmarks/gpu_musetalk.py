"""MuseTalk on a card: frames a second from sound to an encoded film, by stage, and how much of the card that uses.

    python -m benchmarks.gpu_musetalk [--seconds 20] [--batch 32] [--compiled] [--tiny]

No Ray and no weights: the networks have their real size and random weights on a card; with --tiny, or where there is
no card, they are small and the figures mean nothing but that the script runs. The avatar is kept ready, 512x512 out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from benchmarks import gpu_memory, gpu_report
from benchmarks.gpu_timing import matrix_rate, timed

GIGAFLOP_A_FRAME: Final = 800.0
"""UNet 177.8 and decoder 622.2 at their real size; a multiplication with its addition counts two."""

TINY: Final[dict[str, Any]] = {"block_out_channels": [8, 16, 16, 16], "norm_num_groups": 4, "layers_per_block": 1}
UNET: Final[dict[str, Any]] = {
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 384,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "in_channels": 8,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE: Final[dict[str, Any]] = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "layers_per_block": 2,
    "sample_size": 256,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
WHISPER: Final[dict[str, Any]] = {
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
}
TINY_WHISPER: Final[dict[str, Any]] = {"d_model": 16, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
TINY_UNET: Final[dict[str, Any]] = TINY | {"attention_head_dim": 4, "cross_attention_dim": 16}
TINY_VAE: Final[dict[str, Any]] = TINY | {"block_out_channels": [8] * 4, "sample_size": 64}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the clip")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="small networks")
    gpu_memory.argument(parser)
    chosen = parser.parse_args(arguments)
    import torch

    card = torch.cuda.is_available()
    tiny = chosen.tiny or not card
    gpu_report.head(gpu_report.machine(torch), f"{'small' if tiny else 'real'} networks with random weights", card)
    gpu_report.show(measured(chosen, card, tiny))


def measured(chosen: argparse.Namespace, card: bool, tiny: bool) -> dict[str, float]:
    """Figures by name."""
    import torch

    from deployments.backends import registry
    from deployments.backends.lipsync.musetalk.audio_windows import STEPS_PER_SECOND
    from deployments.backends.lipsync.musetalk.avatar import Look, prepared
    from deployments.backends.lipsync.musetalk.ear import RATE
    from deployments.backends.lipsync.musetalk.footage import portrait
    from deployments.backends.lipsync.musetalk.hearing import Hearing
    from deployments.backends.lipsync.musetalk.labels import of_mesh
    from deployments.backends.lipsync.musetalk.rendering import Batch, Renderer, Transfer

    generator, ear = networks(card, tiny, chosen.compiled)
    renderer = Renderer(generator, ear, chosen.batch)
    wanted = request(chosen.seconds, chosen.size, chosen.fps)
    started = time.perf_counter()
    look = Look.of("v15", of_mesh, 0)
    avatar = prepared([portrait(wanted)], look, generator)
    figures = {"avatar made ready, s": time.perf_counter() - started}

    def second() -> Any:
        """The fourth: there is as much around it as there ever is."""
        reach = ear.reach
        samples = wanted.speech.samples[: (reach.before + reach.hop + reach.after) * RATE // STEPS_PER_SECOND]
        return ear.states(ear.mel(samples, reach.hop), reach.hop + reach.before, reach.hop)

    heard = Hearing(ear, wanted.speech, wanted.fps, generator.dtype).tokens(0, chosen.batch)
    batch = Batch(avatar, avatar.places(0, chosen.batch), 0, range(chosen.batch))
    figures["hearing, ms a second of sound"] = 1000 * timed(torch, second, card, 10, 2)
    latents = avatar.latents.expand(chosen.batch, -1, -1, -1)
    patch = avatar.patches[0]
    assert patch is not None
    with torch.inference_mode():
        faces = generator.faces(latents, heard)
        predicted = generator.predicted(latents, heard)
        planes = avatar.planes.expand(chosen.batch, -1, -1).clone()
        stages: dict[str, Callable[[], object]] = {
            "UNet": lambda: generator.predicted(latents, heard),
            "decoder": lambda: generator.decoded(predicted),
            "paste-back": lambda: patch.put(planes, faces),
            "frames, all on the device": lambda: renderer.drawn(batch, heard),
            "transfer to the host": lambda: Transfer(0, planes).frames(),
        }
        for name, stage in stages.items():
            seconds = timed(torch, stage, card, 10, 2)
            figures[f"{name}, ms a batch of {chosen.batch}"] = 1000 * seconds
    on_device = chosen.batch / timed(torch, stages["frames, all on the device"], card, 10, 2)
    if card:
        torch.cuda.reset_peak_memory_stats()
    for encoded in (False, True):
        started = time.perf_counter()
        count = film(renderer, avatar, wanted, encoded)
        figures[f"frames a second, {'encoded' if encoded else 'not encoded'}"] = count / (time.perf_counter() - started)
    assert count == wanted.frame_count
    row = registry.find("lipsync", "musetalk")
    if card:
        figures |= gpu_memory.taken(row, chosen.footprints)

    def played(batch: int) -> None:
        made = prepared([portrait(wanted)], look, generator)
        film(Renderer(generator, ear, batch), made, wanted, encoded=False)

    figures |= gpu_memory.at_each(row, chosen.footprints, card, played)
    if card:
        rate = matrix_rate(torch, generator.dtype)
        figures["matrix rate of this card, measured, TFLOP/s"] = rate
        if not tiny:
            figures["share of it used, on the device"] = on_device * GIGAFLOP_A_FRAME / 1000 / rate
            figures["share of it used, encoded"] = figures["frames a second, encoded"] * GIGAFLOP_A_FRAME / 1000 / rate
    return figures


def networks(card: bool, tiny: bool, compiled: bool) -> tuple[Any, Any]:
    """Generator and ear, with random weights."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from deployments.backends.lipsync.musetalk.ear import Ear
    from deployments.backends.lipsync.musetalk.generator import Generator

    torch.manual_seed(0)
    device = "cuda:0" if card else "cpu"
    with torch.device(device):
        unet = UNet2DConditionModel(**(UNET | TINY_UNET if tiny else UNET))
        vae = AutoencoderKL(**(VAE | TINY_VAE if tiny else VAE))
        whisper = cast(Any, WhisperEncoder)(WhisperConfig(**(WHISPER | TINY_WHISPER if tiny else WHISPER)))
    for network in (unet, vae, whisper):
        cast(Any, network).eval().requires_grad_(False)
    dtype = torch.float16 if card else torch.float32
    return Generator(unet, vae, device=device, dtype=dtype, compiled=compiled), Ear(whisper, remembered=0)


def request(seconds: float, size: int, fps: int) -> Any:
    """A photographed portrait, and noise to speak: what it says does not matter here."""
    from skimage import data

    from deployments.backends.face.mediapipe import MediapipeFace
    from pipeline.contracts import AnimationRequest, Speech

    picture = np.ascontiguousarray(data.astronaut())
    face = MediapipeFace().locate(picture)
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
    return AnimationRequest(picture, face, Speech(noise, 16_000, None, "en"), size, Fraction(fps))


def film(renderer: Any, avatar: Any, wanted: Any, encoded: bool) -> int:
    """Frames drawn, and written to a file if they are to be encoded; as the lip-sync replica does it."""
    from pipeline.media.video import VideoWriter

    chunks = renderer.frames(avatar, wanted.speech, wanted.fps)
    if not encoded:
        return sum(len(chunk.planes) for chunk in chunks)
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with VideoWriter(path, size=wanted.size, fps=wanted.fps, sample_rate=16_000) as writer:
            writer.write_audio(wanted.speech.samples)
            for chunk in chunks:
                writer.write_frames(chunk.planes)
                count += len(chunk.planes)
    return count


if __name__ == "__main__":
    main()

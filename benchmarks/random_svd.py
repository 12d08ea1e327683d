"""A Stable Video Diffusion with random weights, in the layout of the published one: real code, noise for a film."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

Sizes = Mapping[str, Mapping[str, Any]]
"""Arguments of the networks by their part."""

SMALL: Final[Sizes] = {
    "vae": {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
    "unet": {
        "sample_size": 8,
        "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "num_attention_heads": (2, 4),
        "addition_time_embed_dim": 32,
        "projection_class_embeddings_input_dim": 96,
        "num_frames": 8,
    },
    "image_encoder": {
        "hidden_size": 32,
        "projection_dim": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "patch_size": 32,
    },
}
"""A few thousand weights."""
REAL: Final[Sizes] = {
    "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
    "unet": {"sample_size": 96, "num_attention_heads": (5, 10, 20, 20), "num_frames": 25},
    "image_encoder": {
        "hidden_size": 1280,
        "projection_dim": 1024,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "intermediate_size": 5120,
        "patch_size": 14,
    },
}
"""As published; diffusers' own values are those of the UNet."""


def write(folder: Path, sizes: Sizes = SMALL, *, seed: int = 3, device: str = "cpu") -> Path:
    """The classes, files and names of stabilityai/stable-video-diffusion-img2vid-xt in `folder`, which it returns.

    Its image encoder takes 224 pixels, as the published one does. `device` is where the weights are drawn.
    """
    import diffusers
    import torch
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    kinds: Any = diffusers  # whose types say that torch may not be there
    torch.manual_seed(seed)
    with torch.device(device):
        networks = {
            "vae": kinds.AutoencoderKLTemporalDecoder(
                in_channels=3,
                out_channels=3,
                down_block_types=("DownEncoderBlock2D",) * 4,
                latent_channels=4,
                **sizes["vae"],
            ),
            "image_encoder": CLIPVisionModelWithProjection(
                CLIPVisionConfig(image_size=224, **sizes["image_encoder"]),
            ),
            "unet": kinds.UNetSpatioTemporalConditionModel(in_channels=8, out_channels=4, **sizes["unet"]),
        }
    pipeline = kinds.StableVideoDiffusionPipeline(
        **networks,
        scheduler=kinds.EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            interpolation_type="linear",
            prediction_type="v_prediction",
            sigma_max=700.0,
            sigma_min=0.002,
            steps_offset=1,
            timestep_spacing="leading",
            timestep_type="continuous",
            use_karras_sigmas=True,
        ),
        feature_extractor=CLIPImageProcessor(size={"height": 224, "width": 224}),
    )
    pipeline.to(torch.float16).save_pretrained(folder, variant="fp16", safe_serialization=True)
    return folder

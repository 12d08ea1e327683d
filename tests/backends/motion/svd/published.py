"""A small Stable Video Diffusion in the published layout, made by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FRAMES = 8


def saved(folder: Path, seed: int = 3) -> Path:
    """The classes, files and names of stabilityai/stable-video-diffusion-img2vid-xt; networks of a few thousand
    weights. Its image encoder takes 224 pixels, as the published one does."""
    import diffusers
    import torch
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    kinds: Any = diffusers  # whose types say that torch may not be there
    torch.manual_seed(seed)
    vision = CLIPVisionConfig(
        hidden_size=32,
        projection_dim=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        image_size=224,
        intermediate_size=37,
        patch_size=32,
    )
    pipeline = kinds.StableVideoDiffusionPipeline(
        vae=kinds.AutoencoderKLTemporalDecoder(
            in_channels=3,
            out_channels=3,
            down_block_types=("DownEncoderBlock2D",) * 4,
            block_out_channels=(32, 32, 32, 32),
            layers_per_block=1,
            latent_channels=4,
        ),
        image_encoder=CLIPVisionModelWithProjection(vision),
        unet=kinds.UNetSpatioTemporalConditionModel(
            sample_size=8,
            in_channels=8,
            out_channels=4,
            down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            block_out_channels=(32, 64),
            layers_per_block=1,
            cross_attention_dim=32,
            num_attention_heads=(2, 4),
            addition_time_embed_dim=32,
            projection_class_embeddings_input_dim=96,
            num_frames=FRAMES,
        ),
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

"""The published diffusion models, in the folders that diffusers loads them from."""

from __future__ import annotations

from typing import Final

from deployments.backends.published.description import PublishedFile, PublishedModel

_TOKENIZER: Final = (
    ("merges.txt", 524_619, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
    ("vocab.json", 1_059_962, "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"),
)
"""The vocabulary of CLIP, the same in every repository."""


def _clip(folder: str) -> tuple[PublishedFile, ...]:
    return tuple(PublishedFile(f"{folder}/{name}", size, digest) for name, size, digest in _TOKENIZER)


_STABLE_VIDEO: Final = "stabilityai/stable-video-diffusion-img2vid-xt"

DIFFUSION: Final = (
    PublishedModel(
        name="sd15",
        description="Stable Diffusion 1.5 in half precision, without its safety checker: pass safety_checker=None",
        repository="stable-diffusion-v1-5/stable-diffusion-v1-5",
        revision="451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        variant="fp16",
        licence="CreativeML Open RAIL-M: commercial use with restrictions of purpose",
        licence_url="https://huggingface.co/spaces/CompVis/stable-diffusion-license",
        commercial_use=True,
        files=(
            PublishedFile("model_index.json", None, "e2f6f22e274374010aec30c79eb2d6e53fff4a36ac0225523a92cb2d41a83347"),
            PublishedFile(
                "feature_extractor/preprocessor_config.json",
                None,
                "2a1da83b5e1032aaeef397552ddb408dca0d8cd1dc58f61bf6abf38d6f33a0a2",
            ),
            PublishedFile(
                "scheduler/scheduler_config.json",
                None,
                "699cce92eb7c122e2eb7dfdea78e6187fda76a5ed4a8e42319b85610e620e091",
            ),
            PublishedFile(
                "text_encoder/config.json", None, "845df614cb9327ae7bbea027316246fae917827407da6df13572e41b5f93b4cc"
            ),
            PublishedFile(
                "text_encoder/model.fp16.safetensors",
                246_144_152,
                "77795e2023adcf39bc29a884661950380bd093cf0750a966d473d1718dc9ef4e",
            ),
            PublishedFile(
                "tokenizer/special_tokens_map.json",
                472,
                "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac",
            ),
            PublishedFile(
                "tokenizer/tokenizer_config.json",
                806,
                "00439066fcba73de57644cf41e4e3b9f2dbb09d7f3fc2005898ba52399045882",
            ),
            *_clip("tokenizer"),
            PublishedFile("unet/config.json", 743, "78f474de6bab3d893868f37be97b636ae65c0df3073ed3256ca458ff599b5f96"),
            PublishedFile(
                "unet/diffusion_pytorch_model.fp16.safetensors",
                1_719_125_304,
                "c83908253f9a64d08c25fc90874c9c8aef9a329ce1ca5fb909d73b0c83d1ea21",
            ),
            PublishedFile("vae/config.json", 547, "786a7d21647ddea6a04b9675c03d3cb45e90a2f3c6da5fbda2c54ade040036de"),
            PublishedFile(
                "vae/diffusion_pytorch_model.fp16.safetensors",
                167_335_342,
                "4fbcf0ebe55a0984f5a5e00d8c4521d52359af7229bb4d81890039d2aa16dd7c",
            ),
        ),
    ),
    PublishedModel(
        name="sdxl",
        description="Stable Diffusion XL base 1.0 in half precision",
        repository="stabilityai/stable-diffusion-xl-base-1.0",
        revision="462165984030d82259a11f4367a4eed129e94a7b",
        variant="fp16",
        licence="CreativeML Open RAIL++-M: commercial use with restrictions of purpose",
        licence_url="https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md",
        commercial_use=True,
        files=(
            PublishedFile("model_index.json", 609, "6d7b93508390ab91ac5bfbe4aeb4dc2d83f7bb1b05fb069d714b5b0c75f70d44"),
            PublishedFile(
                "scheduler/scheduler_config.json",
                479,
                "af3e45a949aff8b8341ab8b811429ec03fee857a700a1d9477363e4fff9666e2",
            ),
            PublishedFile(
                "text_encoder/config.json", 565, "39b8b2e4b1949e36969caa425b6c81c68bace99198dd9078ce05d16ad401fe7f"
            ),
            PublishedFile(
                "text_encoder/model.fp16.safetensors",
                246_144_152,
                "660c6f5b1abae9dc498ac2d21e1347d2abdb0cf6c0c0c8576cd796491d9a6cdd",
            ),
            PublishedFile(
                "text_encoder_2/config.json", 575, "a892d1c3a69a7e9247a24de2bc1d5891e3109a54696e53be20093af671072c34"
            ),
            PublishedFile(
                "text_encoder_2/model.fp16.safetensors",
                1_389_382_176,
                "ec310df2af79c318e24d20511b601a591ca8cd4f1fce1d8dff822a356bcdb1f4",
            ),
            PublishedFile(
                "tokenizer/special_tokens_map.json",
                472,
                "c4864a9376a8401918425bed71fc14fc0e81f9b59ec45c1cf96cccb2df508eac",
            ),
            PublishedFile(
                "tokenizer/tokenizer_config.json",
                737,
                "19d7b034cb0cc3ce9766c2231373ab8aa8991fc72e2c8f76558bfaae3de0d563",
            ),
            *_clip("tokenizer"),
            PublishedFile(
                "tokenizer_2/special_tokens_map.json",
                460,
                "f118ab3a983206e4f32583448de6bd6aae4ee21869135cef1f5848a753cdaab6",
            ),
            PublishedFile(
                "tokenizer_2/tokenizer_config.json",
                725,
                "c9d23941f76a41cbd50eda9290f57be7828f0a7a677939e9ef181f7e12bd1bdf",
            ),
            *_clip("tokenizer_2"),
            PublishedFile(
                "unet/config.json", 1_680, "30ebc70750223e59006f7f2b4e1e6c102570aa19a9c4ae3e1fbe7591332dbae6"
            ),
            PublishedFile(
                "unet/diffusion_pytorch_model.fp16.safetensors",
                5_135_149_760,
                "83e012a805b84c7ca28e5646747c90a243c65c8ba4f070e2d7ddc9d74661e139",
            ),
            PublishedFile("vae/config.json", 642, "0b331c8ac22ded5f9997a144a575c1d113d6169aff262c353f39015bd24a6264"),
            PublishedFile(
                "vae/diffusion_pytorch_model.fp16.safetensors",
                167_335_342,
                "bcb60880a46b63dea58e9bc591abe15f8350bde47b405f9c38f4be70c6161e68",
            ),
        ),
    ),
    PublishedModel(
        name="svd-xt",
        description="Stable Video Diffusion XT in half precision: 25 frames of motion from one picture",
        repository=_STABLE_VIDEO,
        revision="9e43909513c6714f1bc78bcb44d96e733cd242aa",
        variant="fp16",
        licence="Stable Video Diffusion Community License: commercial use needs an agreement with Stability AI",
        licence_url=f"https://huggingface.co/{_STABLE_VIDEO}/blob/main/LICENSE.md",
        commercial_use=False,
        files=(
            PublishedFile("model_index.json", 496),
            PublishedFile(
                "feature_extractor/preprocessor_config.json",
                518,
                "4db495644e3e5bd8fcac52f70e7fc0b413c911086021acf73ac30e5911166e95",
            ),
            PublishedFile(
                "image_encoder/config.json", 685, "65da4496f116d2b297fe864e0f31242fbc57e26a5d95b93310f2034e1e90d0ec"
            ),
            PublishedFile(
                "image_encoder/model.fp16.safetensors",
                1_264_217_240,
                "ae616c24393dd1854372b0639e5541666f7521cbe219669255e865cb7f89466a",
            ),
            PublishedFile("scheduler/scheduler_config.json", 533),
            PublishedFile("unet/config.json", 984),
            PublishedFile(
                "unet/diffusion_pytorch_model.fp16.safetensors",
                3_049_435_868,
                "9fbc02e90f37d422f5e3a4aeaee95f6629dc8c45ca211b951626e930daf2bddf",
            ),
            PublishedFile("vae/config.json", None, "8f34272db69f7e2c615da6142ca3f9fdcd7b682bcfd903ceb15035fea79a8303"),
            PublishedFile(
                "vae/diffusion_pytorch_model.fp16.safetensors",
                195_531_910,
                "af602cd0eb4ad6086ec94fbf1438dfb1be5ec9ac03fd0215640854e90d6463a3",
            ),
        ),
    ),
)

"""The published models that backends load: repository, revision, files with sizes and SHA-256, licence.

Repositories are those of the Hugging Face hub; a file with an address of its own lies elsewhere. A revision that is a
commit never moves; `main` does, and what it must hold is then said by the hashes alone.

Sizes and hashes are those that the hub shows for a file (for small files: of their bytes), as independent public
manifests that pin them agree on; each was found in at least two, those of `wav2lip.pth` in one. Where none was found it
is None: `pull` then trusts the hub's own entity tag, which for a large file is its SHA-256 and for a small one git's
name of its bytes, and `verify` compares the file with the blob's name in the cache, which is that tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from deployments.backends.published.description import PublishedFile, PublishedModel
from deployments.backends.published.diffusion import DIFFUSION
from pipeline.errors import UnknownName


def find(name: str) -> PublishedModel:
    """The model of that name. Raises `UnknownName` listing all."""
    try:
        return MODELS[name]
    except KeyError:
        whole = "`mouthpiece models list` has all"
        raise UnknownName.of("published model", name, MODELS, field="NAME", whole=whole) from None


def owner(path: PurePath) -> PublishedModel | None:
    """The model that a file in a cache belongs to, by the folders it lies in; None for a file of the user's own."""
    text = path.as_posix()
    for model in MODELS.values():
        kept = f"/models--{model.repository.replace('/', '--')}/" if model.on_hub else f"/mouthpiece/{model.name}/"
        if kept in text and any(text.endswith(f"/{file.path}") for file in model.files):
            return model
    return None


_RELEASES: Final = "https://github.com/xinntao/Real-ESRGAN/releases/download"

_MODELS: Final = (
    PublishedModel(
        name="xtts-v2",
        description="Coqui XTTS-v2: speech in a cloned voice, 17 languages",
        repository="coqui/XTTS-v2",
        revision="6c2b0d75eae4b7047358e3b6bd9325f857d43f77",
        licence="Coqui Public Model License 1.0.0: not for commercial use, nor is what it says",
        licence_url="https://coqui.ai/cpml",
        commercial_use=False,
        files=(
            PublishedFile("config.json", 4_368, "ef262b1454dd2a77e1461b0b2cd53e19b8a7624cc131b837d36df67356bc75e8"),
            PublishedFile(
                "model.pth", 1_867_929_118, "c7ea20001c6a0a841c77e252d8409f6a74fb423e79b3206a0771ba5989776187"
            ),
            PublishedFile("vocab.json", 361_219, "928260878a59da8a72a2a5b7687fea29d5106137669d90945430fe17e415304a"),
            PublishedFile(
                "speakers_xtts.pth", 7_754_818, "f0f6137c19a4eab0cbbe4c99b5babacf68b1746e50da90807708c10e645b943b"
            ),
        ),
    ),
    PublishedModel(
        name="f5-tts-v1",
        description="F5-TTS v1: speech in English and Chinese, in the voice of a recording whose words are known",
        repository="SWivid/F5-TTS",
        revision="84e5a410d9cead4de2f847e7c9369a6440bdfaca",
        licence="CC-BY-NC-4.0: not for commercial use (trained on Emilia)",
        licence_url="https://huggingface.co/SWivid/F5-TTS",
        commercial_use=False,
        files=(
            PublishedFile(
                "F5TTS_v1_Base/model_1250000.safetensors",
                1_348_435_761,
                "670900fd14e6c458b95da6e9ed317cdb20dbaf7a1c02ac06a05475a9d32b6a38",
            ),
            PublishedFile(
                "F5TTS_v1_Base/vocab.txt", 13_800, "2a05f992e00af9b0bd3800a8d23e78d520dbd705284ed2eedb5f4bd29398fa3c"
            ),
        ),
    ),
    PublishedModel(
        name="vocos-mel-24khz",
        description="Vocos: mel spectrograms to sound; what F5-TTS is heard with",
        repository="charactr/vocos-mel-24khz",
        revision="0feb3fdd929bcd6649e0e7c5a688cf7dd012ef21",
        licence="MIT",
        licence_url="https://huggingface.co/charactr/vocos-mel-24khz",
        commercial_use=True,
        files=(
            PublishedFile("config.yaml", 461, "da9033922f969a47f0c160010226919e59f27761fd5066f3828d46de6650b0fc"),
            PublishedFile(
                "pytorch_model.bin", 54_365_991, "97ec976ad1fd67a33ab2682d29c0ac7df85234fae875aefcc5fb215681a91b2a"
            ),
        ),
    ),
    PublishedModel(
        name="musetalk-v15",
        description="MuseTalk 1.5: lips of a face of 256 x 256, from sound",
        repository="TMElyralab/MuseTalk",
        revision="3ef28bc5cff08c90ad8178a25f1b570cd800170f",
        licence="MIT; the trained model for any purpose, even commercially",
        licence_url="https://github.com/TMElyralab/MuseTalk#disclaimerlicense",
        commercial_use=True,
        files=(
            PublishedFile(
                "musetalkV15/musetalk.json", 748, "5b6923aee04d71692e0e9846c471e0a4ea07a4f686d39545e472bd4ba17e1b47"
            ),
            PublishedFile(
                "musetalkV15/unet.pth",
                3_400_074_924,
                "7ebf6c98c181e20838e4c0054e96e944ac60d5d692cc01db42839fe11b787007",
            ),
        ),
    ),
    PublishedModel(
        name="musetalk-v10",
        description="MuseTalk 1.0, the first release",
        repository="TMElyralab/MuseTalk",
        revision="3ef28bc5cff08c90ad8178a25f1b570cd800170f",
        licence="MIT; the trained model for any purpose, even commercially",
        licence_url="https://github.com/TMElyralab/MuseTalk#disclaimerlicense",
        commercial_use=True,
        files=(
            PublishedFile(
                "musetalk/musetalk.json", 748, "5b6923aee04d71692e0e9846c471e0a4ea07a4f686d39545e472bd4ba17e1b47"
            ),
            PublishedFile("musetalk/pytorch_model.bin", 3_400_076_549),
        ),
    ),
    PublishedModel(
        name="sd-vae-ft-mse",
        description="Stable Diffusion's autoencoder, fine-tuned: what MuseTalk draws with",
        repository="stabilityai/sd-vae-ft-mse",
        revision="31f26fdeee1355a5c34592e401dd41e45d25a493",
        licence="MIT",
        licence_url="https://huggingface.co/stabilityai/sd-vae-ft-mse",
        commercial_use=True,
        files=(
            PublishedFile("config.json", 547, "92d3dfb746fca211a2c9e019e285f8597412211728dce3c5bcf4eda0f2d62e7e"),
            PublishedFile(
                "diffusion_pytorch_model.safetensors",
                334_643_276,
                "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
            ),
        ),
    ),
    PublishedModel(
        name="whisper-tiny",
        description="Whisper tiny: what MuseTalk hears with",
        repository="openai/whisper-tiny",
        revision="169d4a4341b33bc18d8881c4b69c2e104e1cc0af",
        licence="Apache-2.0",
        licence_url="https://huggingface.co/openai/whisper-tiny",
        commercial_use=True,
        files=(
            PublishedFile("config.json", 1_983, "ffdccec4f3211f4c63310f2b7098f309fe70f3952cedc5e4d11e43f5b2379b98"),
            PublishedFile(
                "preprocessor_config.json", 184_990, "9b5cd03a36fbb8a627c64d98a5b5b126ead95a77720723944487311f0110b666"
            ),
            PublishedFile(
                "model.safetensors", 151_061_672, "7ebd0e69e78190ffe1438491fa05cc1f5c1aa3a4c4db3bc1723adbb551ea2395"
            ),
        ),
    ),
    PublishedModel(
        name="wav2lip",
        description="Wav2Lip: lips of a face of 96 x 96, from sound; the most accurate lips",
        repository="numz/wav2lip_studio",
        licence="Wav2Lip: personal and research use only (trained on LRS2)",
        licence_url="https://github.com/Rudrabha/Wav2Lip#license-and-citation",
        commercial_use=False,
        files=(
            PublishedFile(
                "Wav2lip/wav2lip.pth", 435_807_851, "b78b681b68ad9fe6c6fb1debc6ff43ad05834a8af8a62ffc4167b7b34ef63c37"
            ),
        ),
    ),
    PublishedModel(
        name="wav2lip-gan",
        description="Wav2Lip trained against a critic of looks: slightly less accurate, sharper",
        repository="numz/wav2lip_studio",
        licence="Wav2Lip: personal and research use only (trained on LRS2)",
        licence_url="https://github.com/Rudrabha/Wav2Lip#license-and-citation",
        commercial_use=False,
        files=(
            PublishedFile(
                "Wav2lip/wav2lip_gan.pth",
                435_801_865,
                "ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
            ),
        ),
    ),
    PublishedModel(
        name="face-parsing-bisenet",
        description="BiSeNet: which part of a face a pixel shows; optional for MuseTalk",
        repository="vivym/face-parsing-bisenet",
        licence="MIT code; trained on CelebAMask-HQ, whose pictures are for non-commercial research",
        licence_url="https://github.com/zllrunning/face-parsing.PyTorch",
        commercial_use=False,
        files=(
            PublishedFile(
                "79999_iter.pth", 53_289_463, "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567"
            ),
        ),
    ),
    *DIFFUSION,
    PublishedModel(
        name="realesrgan-x4plus",
        description="Real-ESRGAN: four times as large, for photographs",
        repository="xinntao/Real-ESRGAN",
        revision="v0.1.0",
        licence="BSD-3-Clause",
        licence_url="https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
        commercial_use=True,
        files=(
            PublishedFile(
                "RealESRGAN_x4plus.pth",
                67_040_989,
                "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
                url=f"{_RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
            ),
        ),
    ),
    PublishedModel(
        name="realesr-general-x4v3",
        description="Real-ESRGAN's small network: four times as large, quick enough for films",
        repository="xinntao/Real-ESRGAN",
        revision="v0.2.5.0",
        licence="BSD-3-Clause",
        licence_url="https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
        commercial_use=True,
        files=(
            PublishedFile(
                "realesr-general-x4v3.pth",
                4_885_111,
                "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
                url=f"{_RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
            ),
        ),
    ),
    PublishedModel(
        name="faster-whisper-small",
        description="Whisper small for CTranslate2: writes down what is said, with times",
        repository="Systran/faster-whisper-small",
        revision="536b0662742c02347bc0e980a01041f333bce120",
        licence="MIT",
        licence_url="https://huggingface.co/Systran/faster-whisper-small",
        commercial_use=True,
        files=(
            PublishedFile("config.json", 2_370, "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828"),
            PublishedFile("model.bin", 483_546_902, "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),
            PublishedFile(
                "tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
            ),
            PublishedFile(
                "vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
            ),
        ),
    ),
)

MODELS: Final[Mapping[str, PublishedModel]] = {model.name: model for model in _MODELS}
"""Every published model, by the name that `mouthpiece models` and the registry's rows give it."""

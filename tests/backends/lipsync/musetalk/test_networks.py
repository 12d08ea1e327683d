"""The networks are those of the published files: names, shapes, counts, and what the authors' code computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.random_musetalk import UNET, VAE, WHISPER, save_unet, save_vae, save_whisper
from deployments.backends.lipsync.musetalk import networks
from deployments.backends.lipsync.musetalk.bisenet import BiSeNet
from deployments.backends.lipsync.musetalk.ear import SEGMENTS, Ear
from deployments.backends.lipsync.musetalk.generator import Generator, masked, pictures, shown
from deployments.backends.lipsync.musetalk.hearing import positions
from deployments.backends.lipsync.musetalk.labels import DEVIATION, MEAN
from deployments.backends.published.tensors import read_tensors
from pipeline.errors import Damaged, MissingWeights
from tests.conftest import torch_threads
from tests.goldens import golden, inventory, seeded, u, z


def numbers(network: torch.nn.Module) -> tuple[int, int]:
    own = network.state_dict()
    return len(own), sum(tensor.numel() for tensor in own.values())


def generator(unet: Any, vae: Any) -> Generator:
    return Generator(unet, vae, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """At its real size, read from a file with the published names."""
    listed = inventory("musetalk_vae_published_keys")
    folder = tmp_path_factory.mktemp("golden") / "vae"
    save_vae(folder, listed["config"], seeded("musetalk_vae_published_keys"))
    return networks.autoencoder(str(folder))


def meta(name: str, names: str = "") -> dict[str, torch.Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in inventory(names or name)["tensors"].items()}


def test_the_published_unet_fits() -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**inventory("musetalk_unet")["config"])
    assert numbers(networks.fill(unet, meta("musetalk_unet"), Path("unet.pth"))) == (686, 849_947_844)
    assert not unet.training
    assert not any(parameter.requires_grad for parameter in unet.parameters())


def test_the_published_autoencoder_fits_under_its_old_names() -> None:
    from diffusers import AutoencoderKL

    listed = inventory("musetalk_vae_new_keys")
    with torch.device("meta"):
        vae: Any = AutoencoderKL(**listed["config"])
    old = meta("musetalk_vae_published_keys")
    renamed = networks.current(old)
    assert {name: new for name, new in zip(old, renamed, strict=True) if name != new} == listed["old_to_new"]
    assert numbers(networks.fill(vae, renamed, Path("vae"))) == (248, 83_653_863)
    assert networks.current(renamed) == renamed, "newer files have the names already"


def test_the_published_whisper_encoder_fits() -> None:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    tensors = {f"model.encoder.{name}": tensor for name, tensor in meta("whisper_tiny_encoder").items()}
    tensors["model.decoder.embed_tokens.weight"] = torch.empty(51865, 384, device="meta")
    tiny: dict[str, Any] = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    with torch.device("meta"):
        encoder: Any = WhisperEncoder(WhisperConfig(**{**WHISPER, **tiny}))
    filled = networks.fill(encoder, networks.encoder_only(tensors), Path("model.safetensors"))
    assert numbers(filled) == (67, 8_208_384)


def test_the_published_parsing_network_fits() -> None:
    with torch.device("meta"):
        network = BiSeNet()
    assert numbers(networks.fill(network, meta("bisenet_face_parsing"), Path("79999_iter.pth"))) == (191, 13_313_119)


def test_what_is_missing_unexpected_or_of_another_shape_is_named(tmp_path: Path, small: dict[str, Any]) -> None:
    path = Path(small["weights"]) / "musetalkV15" / "unet.pth"
    tensors = read_tensors(path)
    tensors["conv_in.mass"] = tensors.pop("conv_in.weight")
    tensors["conv_in.bias"] = torch.zeros(3)
    save_unet(tmp_path / "own", UNET, tensors)
    with pytest.raises(Damaged) as refused:
        networks.unet("v15", str(tmp_path / "own"))
    assert refused.value.code == "damaged_weights"
    for said in ("conv_in.weight is missing", "conv_in.mass is unexpected", "conv_in.bias is (3,), not (8,)"):
        assert said in refused.value.message


def test_a_configuration_that_is_none_is_refused(tmp_path: Path, small: dict[str, Any]) -> None:
    save_vae(tmp_path / "own", {**VAE, "no_such_part": 3}, {"x": torch.zeros(1)})
    with pytest.raises(Damaged, match="no_such_part"):
        networks.autoencoder(str(tmp_path / "own"))


def test_weights_that_are_not_there_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"unet\.pth|musetalk\.json") as refused:
        networks.unet("v15", str(tmp_path))
    assert "mouthpiece models pull musetalk-v15" in (refused.value.accepted or "")


@pytest.mark.parametrize("version", ["v15", "v10"])
def test_the_small_unet_computes_what_the_reference_does(tmp_path: Path, version: str) -> None:
    save_unet(tmp_path / "own", inventory("musetalk_unet_small")["config"], seeded("musetalk_unet_small"), version)
    unet = networks.unet(version, str(tmp_path / "own"))
    assert numbers(unet) == (684, 3_832_100)
    compare_unet(unet, "small", 2)


def test_the_full_unet_computes_what_the_reference_does() -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**inventory("musetalk_unet")["config"])
    with torch_threads(2):
        compare_unet(networks.fill(unet, seeded("musetalk_unet"), Path("unet.pth")), "full", 1)


def compare_unet(unet: Any, which: str, count: int) -> None:
    wanted = golden(f"musetalk_unet_{which}")
    latents = torch.from_numpy(z(f"input:musetalk:unet_{which}:latents", (count, 8, 32, 32)))
    tokens = torch.from_numpy(z(f"input:musetalk:unet_{which}:tokens", (count, 50, 384)))
    heard = torch.cat([tokens, tokens + positions(50, 384)])
    with torch.inference_mode():
        found = unet(latents.repeat(2, 1, 1, 1), torch.zeros(1, dtype=torch.long), encoder_hidden_states=heard).sample
    for name, part in zip(("output", "output_with_pe"), found.chunk(2), strict=True):
        assert np.abs(part.numpy() - wanted[name]).max() < 2e-5, name


def test_the_autoencoder_computes_what_the_reference_does(vae: Any) -> None:
    wanted = golden("musetalk_vae")
    faces = 127.5 + 127.5 * torch.from_numpy(2 * u("input:musetalk:vae:image", (1, 3, 128, 128)) - 1)
    drawn = Generator.__new__(Generator)
    assert torch.allclose(shown(faces), faces / 127.5 - 1, atol=1e-6)
    with torch.inference_mode():
        posterior = vae.encode(torch.from_numpy(2 * u("input:musetalk:vae:image", (1, 3, 128, 128)) - 1)).latent_dist
        assert np.abs(posterior.mean.numpy() - wanted["latent_mean"]).max() < 3e-5
        assert np.abs(posterior.logvar.numpy() - wanted["latent_logvar"]).max() < 3e-5
        latent = torch.from_numpy(z("input:musetalk:vae:latent", (1, 4, 16, 16)))
        drawn._vae, drawn._scale = vae, 1.0
        decoded = drawn.decoded(latent).numpy()
    assert np.abs(decoded[:, :, ::2, ::2] - wanted["decoded"]).max() < 3e-5
    assert np.abs(decoded[:, :, 64:66] - wanted["decoded_rows_64_65"]).max() < 3e-5


def test_latents_are_the_half_face_and_the_face_without_chance(vae: Any) -> None:
    """The second half of the latents is what the reference's own encoder gives, scaled; nothing is drawn by lot."""
    image = 2 * u("input:musetalk:vae:image", (1, 3, 128, 128)) - 1
    faces = torch.from_numpy((image.astype(np.float64) * 127.5 + 127.5).astype(np.float32))
    small = generator(FakeUNet(), vae)
    found = small.latents(faces)
    assert found.shape == (1, 8, 16, 16)
    assert np.abs(found[:, 4:].numpy() - golden("musetalk_vae")["latents_scaled"]).max() < 3e-5
    assert torch.equal(found, small.latents(faces))
    with torch.inference_mode():
        half = vae.encode(shown(masked(faces))).latent_dist.mean * 0.18215
    assert torch.allclose(found[:, :4], half, atol=1e-5)
    assert (found[:, :4] - found[:, 4:]).abs().max() > 0.05


class FakeUNet(torch.nn.Module):
    """Stands where no UNet is used."""

    config = type("Config", (), {"cross_attention_dim": 384})


def test_pictures_are_as_the_reference_stores_them() -> None:
    decoded = torch.from_numpy(np.float32(0.8) * z("input:musetalk:decoded", (1, 3, 64, 64)))
    found = np.rint(pictures(decoded).numpy()).astype(np.uint8)
    assert np.array_equal(found.transpose(0, 2, 3, 1)[..., ::-1], golden("musetalk_image_io")["decoded_bgr_uint8"])


def test_the_masked_face_is_black_below(vae: Any) -> None:
    faces = torch.full((2, 3, 256, 256), 200.0)
    assert (shown(masked(faces))[:, :, 128:] == -1).all()
    assert torch.equal(masked(faces)[:, :, :128], faces[:, :, :128])


def test_the_ear_computes_what_the_reference_does(tmp_path: Path) -> None:
    tensors = {f"model.encoder.{name}": tensor for name, tensor in seeded("whisper_tiny_encoder").items()}
    tensors["model.decoder.layer_norm.weight"] = torch.ones(384)
    tiny = {"d_model": 384, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    save_whisper(tmp_path / "own", {**WHISPER, **tiny}, tensors)
    ear = Ear(networks.whisper_encoder(str(tmp_path / "own")), SEGMENTS)
    assert (ear.layers, ear.width) == (5, 384)
    wanted = golden("whisper_tiny_encoder")
    states = ear.states(torch.from_numpy(np.float32(0.5) * z("input:musetalk:whisper:mel", (1, 80, 3000))))
    assert states.shape == (1500, 5, 384)
    found = states[[0, 1, 2, 749, 1497, 1498, 1499]][:, :, ::2].numpy()
    assert np.abs(found - wanted["hidden_states_sub"]).max() < 4e-5
    mel = ear.mel(signal())
    assert mel.shape == (1, 80, 3000)
    assert np.abs(mel[0, :, :260:2].numpy() - wanted["mel_of_signal_first_260_stride2"]).max() < 1e-4
    assert np.abs(mel[0, :, 2999].numpy() - wanted["mel_padding_value"]).max() < 1e-4
    assert torch.equal(ear.heard(signal(), 16_000, 0, 0), ear.states(mel)), "a segment, as it is listened to"


def signal() -> np.ndarray:
    """The signal of section 4 of the goldens' README."""
    import zlib

    n = np.arange(40_000)
    t = n / 16_000
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(b"input:wav2lip:noise"))).standard_normal(40_000)
    x = 0.30 * np.sin(2 * np.pi * (120 * t + 60 * t**2)) + 0.20 * np.sin(2 * np.pi * (400 * t + 500 * t**2))
    x = (x + 0.10 * np.sin(2 * np.pi * (3000 * t - 400 * t**2)) + 0.02 * noise) * np.abs(np.sin(2 * np.pi * 1.7 * t))
    x[16_000:19_200] = 0
    return x.astype(np.float32)


def test_the_parsing_network_computes_what_the_reference_does(tmp_path: Path) -> None:
    path = tmp_path / "79999_iter.pth"
    torch.save(seeded("bisenet_face_parsing"), path)
    network = networks.parsing(str(tmp_path))
    wanted = golden("bisenet_face_parsing")
    mean, deviation = (values[:, None, None] for values in (MEAN, DEVIATION))
    image = (u("input:musetalk:bisenet:image", (1, 3, 512, 512)) - mean) / deviation
    with torch.inference_mode():
        heads = [head[0].numpy() for head in network(torch.from_numpy(image))]
    assert np.abs(heads[0][:, ::16, ::16] - wanted["logits_head0_stride16"]).max() < 5e-5
    assert np.abs(heads[1][:, ::32, ::32] - wanted["logits_head1_stride32"]).max() < 5e-5
    assert np.abs(heads[2][:, ::32, ::32] - wanted["logits_head2_stride32"]).max() < 5e-5

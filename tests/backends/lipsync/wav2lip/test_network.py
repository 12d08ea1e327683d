"""The network is the published one: names, shapes, numbers, through the loader that reads the published files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.random_wav2lip import lively, save
from deployments.backends.lipsync.wav2lip.inference import Inference
from deployments.backends.lipsync.wav2lip.network import Generator
from deployments.backends.published.tensors import fill, read_tensors
from pipeline.errors import Damaged
from tests.goldens import golden, inventory, seeded, u, z


@lru_cache(maxsize=2)
def tensors(gain: float) -> dict[str, torch.Tensor]:
    return seeded("wav2lip", gain)


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Section 4 of the goldens' README."""
    audio = np.clip(2 * z("input:wav2lip:audio", (2, 1, 80, 16)), -4, 4)
    face = u("input:wav2lip:face", (2, 6, 96, 96))
    face[:, :3, 48:] = 0
    return torch.from_numpy(audio), torch.from_numpy(face)


def loaded(path: Path) -> Generator:
    network = Generator()
    fill(network, read_tensors(path), path)
    return network.eval()


def difference(found: torch.Tensor | np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(np.asarray(found) - wanted).max())


def test_has_the_tensors_of_the_published_file() -> None:
    with torch.device("meta"):
        network = Generator()
    state = network.state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == inventory("wav2lip")["tensors"]
    assert len(state) == 352
    assert sum(parameter.numel() for parameter in network.parameters()) == 36_298_035


@pytest.mark.parametrize(("gain", "key", "tolerance"), [(1.0, "output", 2e-6), (1.25, "output_gain1.25", 5e-5)])
def test_computes_what_the_reference_computes(tmp_path: Path, gain: float, key: str, tolerance: float) -> None:
    network = loaded(save(tmp_path / "wav2lip.pth", tensors(gain)))
    audio, face = inputs()
    reference = golden("wav2lip_generator")
    with torch.inference_mode():
        assert difference(network(audio, face), reference[key]) < tolerance
        if gain == 1:
            assert difference(network.audio_encoder(audio)[:, :, 0, 0], reference["audio_embedding"]) < 2e-5
    exact = Inference(network, "cpu", "float32")
    for one in range(2):
        said = exact.faces(audio[one : one + 1].numpy(), exact.look(face[one].numpy()))
        assert difference(said, reference[key][one : one + 1]) < 2 * tolerance, "batch norms folded, one look for all"


def test_time_may_follow_the_batch() -> None:
    network = Generator().eval()
    network.load_state_dict(tensors(1.0), strict=True)
    audio, face = inputs()
    with torch.inference_mode():
        made = network(torch.stack([audio, audio.flip(0)], 1), torch.stack([face, face.flip(0)], 2)).numpy()
    reference = golden("wav2lip_generator")
    assert made.shape == (2, 3, 2, 96, 96)
    assert difference(made[:, :, 0], reference["output"]) < 2e-6
    found = [made.mean(), made.std(), made.min(), made.max()]
    assert np.allclose(found, reference["output_5d_stats"], atol=1e-5)


def test_half_precision_says_the_same() -> None:
    """With weights that make much of the sound: the picture's deviation is .38."""
    network = Generator().eval()
    network.load_state_dict(tensors(1.25), strict=True)
    audio, face = inputs()
    half = Inference(network, "cpu", "bfloat16")
    said = half.faces(audio[:1].numpy(), half.look(face[0].numpy()))
    off = np.abs(said - golden("wav2lip_generator")["output_gain1.25"][:1])
    assert off.mean() < 0.01
    assert off.max() < 0.15


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_torchscript_archive_is_the_same_network(tmp_path: Path) -> None:
    network = lively(3)
    pickled = save(tmp_path / "wav2lip.pth", network.state_dict())
    archive = tmp_path / "Wav2Lip-SD-GAN.pt"
    with torch.no_grad():
        torch.jit.trace(network, (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)), check_trace=False).save(
            archive
        )
    one, other = loaded(pickled).state_dict(), loaded(archive).state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_another_networks_file_is_refused_by_name(tmp_path: Path) -> None:
    state = Generator().state_dict()
    state["face_encoder_blocks.0.0.conv_block.0.extra"] = state.pop("output_block.1.bias")
    path = save(tmp_path / "other.pth", state)
    with pytest.raises(Damaged, match=r"no output_block\.1\.bias.*conv_block\.0\.extra that the network has not"):
        loaded(path)

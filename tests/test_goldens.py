"""Weights made again from names are those that the reference was run with."""

from __future__ import annotations

import numpy as np
import pytest

from tests.goldens import checks, goldens, inventory, seeded, u, weights_crc32, z


@pytest.mark.parametrize(
    ("network", "item", "gain"),
    [
        ("musetalk_unet_small", "musetalk_unet_small", 1.0),
        ("whisper_tiny_encoder", "whisper_tiny_encoder", 1.0),
        ("bisenet_face_parsing", "bisenet_face_parsing", 1.0),
        ("wav2lip", "wav2lip_generator", 1.0),
        ("wav2lip", "wav2lip_generator_gain1.25", 1.25),
        ("sadtalker_mapping70", "sadtalker_mapping70", 1.0),
    ],
)
def test_weights_are_the_reference_weights(network: str, item: str, gain: float) -> None:
    tensors = seeded(network, gain)
    listed = inventory(network)
    assert len(tensors) == listed["count"]
    assert sum(tensor.numel() for tensor in tensors.values()) == listed["parameters_and_buffers"]
    assert weights_crc32(tensors) == checks(item)["weights_crc32"]


def test_numbers_of_a_name_are_those_of_the_table() -> None:
    """The table of the goldens' README, section 2."""
    norm = np.float32(1 / np.sqrt(72))
    assert np.allclose(norm * z("conv_in.weight", (320, 8, 3, 3)).ravel()[:3], [-0.1483311, -0.03859294, -0.1109672])
    assert np.allclose(0.02 * z("conv_in.bias", (320,))[:2], [0.002198315, -0.05035276])
    uniform = u("any name", (1000,))
    assert uniform.dtype == np.float32
    assert 0 <= uniform.min() < uniform.max() < 1


def test_without_the_variable_tests_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOUTHPIECE_GOLDENS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="MOUTHPIECE_GOLDENS"):
        goldens()


def test_a_folder_without_goldens_fails_in_ci(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("MOUTHPIECE_GOLDENS", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"checks\.json"):
        goldens()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match=r"checks\.json"):
        goldens()

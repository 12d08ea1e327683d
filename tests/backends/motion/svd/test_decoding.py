"""What decoding takes, counted without doing it, against the same counted while it is done."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.random_svd import REAL, SMALL
from deployments.backends.motion.svd.decoding import SHARE, Counted, Decoding


def published(**sizes: Any) -> Any:
    """The autoencoder's own class."""
    import diffusers

    kinds: Any = diffusers  # whose types say that torch may not be there
    return kinds.AutoencoderKLTemporalDecoder(**sizes)


@pytest.fixture(scope="module")
def autoencoder() -> Any:
    torch.manual_seed(3)
    return published(down_block_types=("DownEncoderBlock2D",) * 4, **SMALL["vae"]).eval()


def test_what_is_there_at_once_is_counted() -> None:
    with Counted() as counted:
        first = torch.zeros(1000)
        second = first + 1
        view = second[:10]
        del first, second
        torch.zeros(500)
        third = view * 2
    assert counted.most == 8000
    assert len(third) == 10


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_what_decoding_takes(autoencoder: Any, count: int) -> None:
    latents = torch.zeros(count, 4, 8, 12)
    with torch.no_grad(), Counted() as counted:
        autoencoder.decode(latents, num_frames=count)
    found = Decoding(autoencoder, torch.float32, 8).taken(count, 64, 96)
    assert found == pytest.approx(counted.most, rel=0.1)


def test_half_the_precision_half_the_memory_or_more_frames(autoencoder: Any) -> None:
    whole, half = (Decoding(autoencoder, dtype, 8) for dtype in (torch.float32, torch.float16))
    assert half.taken(2, 64, 64) * 2 == whole.taken(2, 64, 64)
    room = 30 << 20
    assert (whole.most(64, 64, room), half.most(64, 64, room)) == (6, 8)
    assert [whole.most(64 * times, 64, room) for times in (1, 2, 3, 4, 20)] == [6, 3, 2, 1, 1]


def test_the_published_autoencoder_decodes_within_what_is_left() -> None:
    """1024 x 576 in float16: 1.1 GiB a frame."""
    with torch.device("meta"):
        network = published(down_block_types=("DownEncoderBlock2D",) * 4, **REAL["vae"])
    decoding = Decoding(network, torch.float16, 25)
    for gigabytes in (6, 12, 24):
        room = gigabytes << 30
        most = decoding.most(576, 1024, room)
        assert decoding.taken(most, 576, 1024) < SHARE * room < decoding.taken(most + 1, 576, 1024) + (1 << 29)
    assert decoding.most(576, 1024, 80 << 30) == 25


def test_frames_decoded_together_are_smoothed_together(autoencoder: Any) -> None:
    """Which is why the film depends on how many they are, and why that is decided once."""
    latents = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = autoencoder.decode(latents, num_frames=4).sample
        apart = torch.cat([autoencoder.decode(part, num_frames=2).sample for part in latents.split(2)])
    assert not torch.allclose(together, apart, atol=1e-4)

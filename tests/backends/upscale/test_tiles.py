"""Tiles that overlap give what the whole gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.backends.upscale.tiles import enlarged
from pipeline.contracts import Picture


def local(radius: int, scale: int):
    """A network that looks `radius` pixels around each: a blur, a cube, and an enlargement. With black around it, as
    networks have."""

    def network(tile: Picture) -> NDArray[np.float32]:
        side = 2 * radius + 1
        wide = cv2.copyMakeBorder(tile.astype(np.float64), radius, radius, radius, radius, cv2.BORDER_CONSTANT)
        blurred = cv2.blur(wide, (side, side))[radius:-radius, radius:-radius]
        bent = 255 * (blurred / 255) ** 3
        return np.repeat(np.repeat(bent, scale, 0), scale, 1).astype(np.float32)

    return network


@pytest.mark.parametrize("shape", [(64, 64), (65, 130), (200, 47), (31, 33), (161, 97)])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_network_that_looks_no_further_than_the_overlap_gives_the_same(shape: tuple[int, int], scale: int) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    network = local(4, scale)
    whole = np.clip(np.rint(network(picture)), 0, 255).astype(np.uint8)
    made = enlarged(picture, network, scale, tile=48, overlap=16)
    assert (made.shape, made.dtype) == ((shape[0] * scale, shape[1] * scale, 3), np.uint8)
    assert np.abs(made.astype(int) - whole).max() <= 1


def test_a_network_that_looks_at_all_of_its_tile_leaves_no_line(astronaut: Picture) -> None:
    """Each tile comes out brighter or darker as a whole; what is looked for is a jump from one row to the next."""

    def levelled(tile: Picture) -> NDArray[np.float32]:
        return (tile * 0.5 - tile.mean() * 0.4 + 100).astype(np.float32)

    parts = [np.ascontiguousarray(astronaut[top : top + 128]) for top in range(0, 512, 128)]
    hard = np.concatenate([levelled(part) for part in parts]) - astronaut * 0.5
    soft = enlarged(astronaut, levelled, 1, tile=128, overlap=64) - astronaut * 0.5
    jumps, left = (np.abs(np.diff(error.mean(axis=(1, 2)))).max() for error in (hard, soft))
    assert jumps > 10
    assert left < jumps / 8


@pytest.mark.parametrize(("tile", "overlap"), [(64, 6), (64, 36), (64, -4)])
def test_an_overlap_has_to_fit(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        enlarged(np.zeros((80, 80, 3), np.uint8), local(1, 2), 2, tile, overlap)

"""An avatar made ready: what of its pictures is needed for every clip, computed once.

Boxes, latents, masks, and the frames that faces are put into. One picture for a portrait, many for a film.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.backends.lipsync.meshwarp.portrait import i420
from deployments.backends.lipsync.musetalk.box import CHIN_MARGIN, Box, face_box, square_around, with_chin
from deployments.backends.lipsync.musetalk.generator import Generator
from deployments.backends.lipsync.musetalk.labels import Labeller
from deployments.backends.lipsync.musetalk.landmarks import sixty_eight
from deployments.backends.lipsync.musetalk.mask import Mode, faded, replaced
from deployments.backends.lipsync.musetalk.paste import Patch
from deployments.backends.lipsync.musetalk.resampling import lanczos, matrix
from pipeline.contracts import Picture

BATCH: Final = 8
"""Faces encoded at once."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of an avatar, and the frame that is made of it.

    `frame` is (h, w, 3) uint8 YUV, h and w even. A point of `picture` is at `scale` times itself, moved by `right` and
    `down`, in the frame. `mesh` is (478, 2) in the picture, its edges as in `Box`, or None where there is no face;
    `around` is the box of the mesh.
    """

    picture: Picture
    frame: NDArray[np.uint8]
    mesh: NDArray[np.float64] | None
    around: Box | None = None
    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """What differs between versions: `shift` of the box in pixels, `margin` below the chin in heights of the box."""

    labeller: Labeller
    mode: Mode
    margin: float
    shift: float

    @classmethod
    def of(cls, version: str, labeller: Labeller, shift: float) -> Look:
        if version == "v10":
            return cls(labeller, "raw", 0.0, shift)
        return cls(labeller, "jaw", CHIN_MARGIN, 0.0)

    def box(self, shot: Shot) -> Box | None:
        """Of the face in the picture. Where the nose and the jaw make none, the mesh's own, as far as it is inside."""
        if shot.mesh is None:
            return None
        height, width = shot.picture.shape[:2]
        found = face_box(sixty_eight(shot.mesh), self.shift)
        if found is None and shot.around is not None:
            around = shot.around
            found = Box(max(around.x0, 0), max(around.y0, 0), min(around.x1, width), min(around.y1, height))
            if found.width < 1 or found.height < 1:
                return None
        return None if found is None else with_chin(found, self.margin * found.height, height)


@dataclass(frozen=True, slots=True)
class Avatar:
    """`latents` (n, 8, s, s), zeros where there is no face; `planes` (n, h * 3 / 2, w) uint8 I420; `patches`: where
    the face goes, None where there is none. Latents and patches are on the generator's device, and so are the planes
    of a single picture; those of a film wait in the host's memory."""

    latents: Tensor
    planes: Tensor
    patches: tuple[Patch | None, ...]

    def places(self, first: int, count: int) -> list[int]:
        """Which picture each of these frames shows: forwards, then backwards, and again."""
        length = len(self.patches)
        turns = (number % (2 * length) for number in range(first, first + count))
        return [turn if turn < length else 2 * length - 1 - turn for turn in turns]


def cut_out(picture: Picture, box: Box, side: int) -> NDArray[np.float32]:
    """(3, side, side) RGB in 0 to 255: the box of the picture, stretched to a square by Lanczos' kernel.

    As if the box's whole pixels had been cut out first, as the reference does; its edges need not be whole.
    """
    height, width = picture.shape[:2]
    x0, y0 = max(int(np.floor(box.x0)), 0), max(int(np.floor(box.y0)), 0)
    x1, y1 = min(int(np.ceil(box.x1)), width), min(int(np.ceil(box.y1)), height)
    part = picture[y0:y1, x0:x1].astype(np.float64)
    rows = matrix(y1 - y0, box.y0 - y0, box.height / side, side, lanczos)
    columns = matrix(x1 - x0, box.x0 - x0, box.width / side, side, lanczos)
    found = rows @ part.transpose(2, 0, 1) @ columns.T
    return np.clip(found, 0, 255).astype(np.float32)


def prepared(shots: Iterable[Shot], look: Look, generator: Generator) -> Avatar:
    """The avatar of these shots, in order, all frames of one size. A shot without a face keeps its place."""
    planes: list[NDArray[np.uint8]] = []
    patches: list[Patch | None] = []
    latents: list[Tensor] = []
    waiting: list[NDArray[np.float32]] = []
    for shot in shots:
        planes.append(i420(shot.frame))
        patch, face = _seen(shot, look, generator)
        patches.append(patch)
        waiting.append(face)
        if len(waiting) == BATCH:
            latents.append(_latents(waiting, generator))
            waiting.clear()
    if waiting:
        latents.append(_latents(waiting, generator))
    joined = torch.cat(latents)
    gone = [number for number, patch in enumerate(patches) if patch is None]
    joined[gone] = 0
    home = generator.device if len(planes) == 1 else "cpu"
    return Avatar(joined, torch.from_numpy(np.stack(planes)).to(home), tuple(patches))


def _latents(faces: list[NDArray[np.float32]], generator: Generator) -> Tensor:
    return generator.latents(torch.from_numpy(np.stack(faces)))


def _seen(shot: Shot, look: Look, generator: Generator) -> tuple[Patch | None, NDArray[np.float32]]:
    """Where the face goes, and the face itself; None and black where there is none."""
    nothing = None, np.zeros((3, generator.side, generator.side), np.float32)
    box = look.box(shot)
    if box is None or shot.mesh is None:
        return nothing
    placed = box.moved(shot.scale, shot.right, shot.down)
    whole = placed.rounded()
    square = square_around(whole)
    if square[2] - square[0] < 2:
        return nothing
    # The square that is masked, back in the picture that the face is taken from.
    around = Box(*map(float, square)).moved(1, -shot.right, -shot.down).moved(1 / shot.scale, 0, 0)
    mask = faded(replaced(look.labeller(shot.picture, shot.mesh, around), look.mode), square, whole)
    patch = Patch.of(shot.frame, placed, mask, square, generator.side, generator.device)
    return (patch, cut_out(shot.picture, box, generator.side)) if patch is not None else nothing

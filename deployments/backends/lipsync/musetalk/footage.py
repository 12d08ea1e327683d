"""What avatars are made from: a portrait as a request has it, or the frames of a film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp.portrait import BT601, cut
from deployments.backends.lipsync.musetalk.avatar import Shot
from deployments.backends.lipsync.musetalk.box import Box
from pipeline.contracts import AnimationRequest, Face, FilmFrame, Picture
from pipeline.errors import InvalidRequest, UnusableFace
from pipeline.media.steadying import steadied


@dataclass(frozen=True, slots=True)
class Footage:
    """A film whose lips are to be changed: its frames, in order, and the face in each, None where there is none.

    All frames are (h, w, 3) uint8 RGB of one size, h and w even. At least one has a face.
    """

    pictures: tuple[Picture, ...]
    faces: tuple[Face | None, ...]

    def check(self) -> None:
        """Raises `InvalidRequest` for frames that don't fit together, `UnusableFace` where no frame has a face."""
        if not self.pictures or len(self.pictures) != len(self.faces):
            raise InvalidRequest(
                f"The film has {len(self.pictures)} frames and {len(self.faces)} faces.",
                field="faces",
                accepted="one face, or None, for each frame, and at least one frame",
            )
        shape = self.pictures[0].shape
        for number, picture in enumerate(self.pictures):
            odd = picture.ndim != 3 or picture.shape[2] != 3 or picture.shape[0] % 2 or picture.shape[1] % 2
            if odd or picture.shape != shape or picture.dtype != np.uint8:
                raise InvalidRequest(
                    f"Frame {number} is {picture.dtype} {picture.shape}, the first {shape}.",
                    field="pictures",
                    accepted="uint8 (height, width, 3), all of one size, height and width even",
                )
        if not any(self.faces):
            raise UnusableFace("No frame of the film has a face.", code="no_face", field="faces")

    def shots(self) -> Iterator[Shot]:
        """The frames with their faces held steady."""
        meshes = steadied([None if face is None else _edges(face) for face in self.faces])
        for picture, face, mesh in zip(self.pictures, self.faces, meshes, strict=True):
            frame = np.asarray(cv2.transform(picture, BT601), np.uint8)
            yield Shot(picture, frame, mesh, None if face is None else Box(*face.box))


def shot(frame: FilmFrame) -> Shot:
    """One frame of a film whose faces are held steady already."""
    yuv = np.asarray(cv2.transform(frame.picture, BT601), np.uint8)
    if frame.mesh is None:
        return Shot(frame.picture, yuv, None)
    mesh = frame.mesh[:, :2].astype(np.float64) + 0.5
    (x0, y0), (x1, y1) = mesh.min(axis=0), mesh.max(axis=0)
    return Shot(frame.picture, yuv, mesh, Box(float(x0), float(y0), float(x1), float(y1)))


def portrait(request: AnimationRequest) -> Shot:
    """The face's square of the portrait at the size that is filmed; the face itself is taken from the portrait.

    Raises `InvalidRequest` where the two don't fit together.
    """
    square = cut(request.portrait, request.face, request.size)
    x, y, side = request.face.crop
    scale = request.size / side
    mesh, around = _edges(request.face), Box(*request.face.box)
    return Shot(request.portrait, square.yuv, mesh, around, scale, -x * scale, -y * scale)


def _edges(face: Face) -> NDArray[np.float64]:
    """(478, 2) of the mesh, whose whole numbers are the middles of pixels."""
    return face.landmarks[:, :2].astype(np.float64) + 0.5

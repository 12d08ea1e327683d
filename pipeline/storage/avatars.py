"""Avatars on disk: `ava_<id>/profile.json`, the portrait as `picture.png`, its landmarks as `face.npz`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.contracts import Avatar, Face, Picture
from pipeline.ids import new_id
from pipeline.storage.shelf import Shelf

_PICTURE, _FACE = "picture.png", "face.npz"
_LANDMARKS = (478, 3)


class AvatarStore:
    """Keeps portraits that have been located already. Safe with several processes; errors as in `Shelf`."""

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder, card=Avatar, noun="avatar", prefix="ava")

    def create(self, name: str, picture: Picture, face: Face, source: Literal["photo", "prompt"]) -> Avatar:
        """`picture` is (height, width, 3) uint8 RGB, kept without loss; `face` is the one face in it."""
        avatar = Avatar(
            id=new_id("ava"),
            name=self._shelf.checked(name),
            created_at=datetime.now(UTC),
            width=picture.shape[1],
            height=picture.shape[0],
            yaw=face.yaw,
            pitch=face.pitch,
            roll=face.roll,
            quality=face.quality,
            source=source,
        )

        def write(folder: Path) -> None:
            from PIL import Image

            Image.fromarray(picture).save(folder / _PICTURE, compress_level=3)
            pose = np.array([face.yaw, face.pitch, face.roll, face.quality], np.float64)
            np.savez(
                folder / _FACE,
                landmarks=face.landmarks.astype(np.float32),
                box=np.array(face.box, np.float64),
                pose=pose,
                crop=np.array(face.crop, np.int64),
            )

        return self._shelf.put(avatar, write)

    def list(self) -> Sequence[Avatar]:
        return self._shelf.list()

    def get(self, id_or_name: str) -> Avatar:
        return self._shelf.get(id_or_name)

    def rename(self, id_or_name: str, name: str) -> Avatar:
        return self._shelf.rename(id_or_name, name)

    def delete(self, id_or_name: str) -> None:
        self._shelf.delete(id_or_name)

    def picture(self, id_or_name: str) -> Picture:
        return self._shelf.load(id_or_name, _PICTURE, _read_picture)

    def face(self, id_or_name: str) -> Face:
        return self._shelf.load(id_or_name, _FACE, _read_face)


def _read_picture(path: Path) -> Picture:
    from PIL import Image

    with Image.open(path, formats=["PNG"]) as image:
        return np.array(image.convert("RGB"))


def _read_face(path: Path) -> Face:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        landmarks, box, pose, crop = file["landmarks"], file["box"], file["pose"], file["crop"]
    if landmarks.shape != _LANDMARKS or box.shape != (4,) or pose.shape != (4,) or crop.shape != (3,):
        raise ValueError("not a face")
    x0, y0, x1, y1 = (float(value) for value in box)
    yaw, pitch, roll, quality = (float(value) for value in pose)
    x, y, side = (int(value) for value in crop)
    return Face(landmarks.astype(np.float32), (x0, y0, x1, y1), yaw, pitch, roll, quality, (x, y, side))

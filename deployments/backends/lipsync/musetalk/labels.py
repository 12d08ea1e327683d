"""Which part of the face a pixel shows: from the face mesh, which binds nobody, or from the parsing network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.musetalk.box import Box
from pipeline.contracts import Picture

Labels = NDArray[np.uint8]
"""(512, 512), numbers as below; what is none of them is something else."""

Labeller = Callable[[Picture, NDArray[np.float64], Box], Labels]
"""From the picture, the (478, 2) mesh in it (edges as in `Box`) and the square around the face."""

SIDE: Final = 512
SKIN: Final = 1
NOSE: Final = 10
MOUTH: Final = 11
UPPER_LIP: Final = 12
LOWER_LIP: Final = 13
NECK: Final = 14
"""The parsing network's classes that matter here (zllrunning/face-parsing.PyTorch, in its own order)."""

MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION: Final = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, of RGB in 0 to 1."""

_OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_NOSE: Final = (168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 97, 98, 64, 48, 115, 326, 327, 294, 278, 344)
_ABOVE_OUTSIDE: Final = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
_ABOVE_INSIDE: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
_BELOW_OUTSIDE: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
_BELOW_INSIDE: Final = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""Face mesh indices: the outline, points of the nose, edges of the lips."""

_BITS: Final = 4
"""Fractional bits of the coordinates that OpenCV draws with."""


def of_mesh(_picture: Picture, mesh: NDArray[np.float64], square: Box) -> Labels:
    """Drawn from the mesh alone: skin within the outline of the face, then nose, lips and mouth. A `Labeller`."""
    scale = np.array([SIDE / square.width, SIDE / square.height])
    # OpenCV has whole numbers in the middle of its pixels.
    points = (mesh - [square.x0, square.y0]) * scale - 0.5
    labels = np.zeros((SIDE, SIDE), np.uint8)

    def fill(corners: NDArray[np.float64], label: int) -> None:
        whole = np.round(corners * 2**_BITS).astype(np.int32)
        cv2.fillPoly(labels, [whole], (label,), shift=_BITS)

    fill(points[list(_OVAL)], SKIN)
    nose = cv2.convexHull(points[list(_NOSE)].astype(np.float32)).reshape(-1, 2)
    fill(nose.astype(np.float64), NOSE)
    fill(points[[*_ABOVE_OUTSIDE, *reversed(_ABOVE_INSIDE)]], UPPER_LIP)
    fill(points[[*_BELOW_OUTSIDE, *reversed(_BELOW_INSIDE)]], LOWER_LIP)
    fill(points[[*_ABOVE_INSIDE, *reversed(_BELOW_INSIDE)]], MOUTH)
    return labels


class Parsing:
    """The parsing network as a `Labeller`. `network` is a `BiSeNet` in float32, on the device it runs on."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, picture: Picture, _mesh: NDArray[np.float64], square: Box) -> Labels:
        import torch

        weight = self._network.conv_out.conv_out.weight
        with torch.inference_mode():
            shown = torch.from_numpy(self.shown(picture, square)).to(weight.device)
            return self._network(shown[None])[0][0].argmax(dim=0).to(torch.uint8).cpu().numpy()

    @staticmethod
    def shown(picture: Picture, square: Box) -> NDArray[np.float32]:
        """(3, 512, 512) of the square, black where it leaves the picture, as the network was trained to see it."""
        from PIL import Image

        x0, y0 = int(np.floor(square.x0)), int(np.floor(square.y0))
        x1, y1 = int(np.ceil(square.x1)), int(np.ceil(square.y1))
        part = Image.fromarray(picture).crop((x0, y0, x1, y1))
        within = (square.x0 - x0, square.y0 - y0, square.x1 - x0, square.y1 - y0)
        small = part.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=within)
        values = np.asarray(small, np.float32) / np.float32(255)
        return np.ascontiguousarray(((values - MEAN) / DEVIATION).transpose(2, 0, 1))

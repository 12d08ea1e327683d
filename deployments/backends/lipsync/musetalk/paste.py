"""The network's face put back into the picture, on the device: resampled, blended, and as I420 again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deployments.backends.lipsync.meshwarp.portrait import BT601
from deployments.backends.lipsync.musetalk.box import Box
from deployments.backends.lipsync.musetalk.resampling import matrix, triangle


def blend(behind: Tensor, faces: Tensor, alpha: Tensor) -> Tensor:
    """`faces` (n, c, h, w) over `behind` (c, h, w), by `alpha` (h, w) in 0 to 1; not rounded."""
    return behind + alpha * (faces - behind)


def to_bytes(values: Tensor) -> Tensor:
    """The nearest uint8; halves go up, as in OpenCV's means."""
    return torch.floor(values + 0.5).clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True, slots=True)
class Patch:
    """Where a face goes in a frame, and how: everything that can be known before it is there. On the device.

    `x`, `y`: upper left corner in the frame, even. `rows` (h, s) and `columns` (w, s) resample a face of s x s pixels
    to the patch's h x w, both even. `alpha` (h, w) in 0 to 1. `behind` (3, h, w) uint8: the frame there, in YUV with
    every pixel's own chroma. `conversion` (3, 4): from RGB to that.
    """

    x: int
    y: int
    rows: Tensor
    columns: Tensor
    alpha: Tensor
    behind: Tensor
    conversion: Tensor

    @classmethod
    def of(
        cls,
        yuv: NDArray[np.uint8],
        box: Box,
        mask: NDArray[np.uint8],
        square: tuple[int, int, int, int],
        side: int,
        device: str,
    ) -> Patch | None:
        """For a face of `side` pixels put into `box` of an (h, w, 3) frame in YUV, `mask` covering `square`.

        None where nothing of the box is inside the frame.
        """
        height, width = yuv.shape[:2]
        whole = box.rounded()
        left, top = max(whole[0], 0), max(whole[1], 0)
        right, bottom = min(whole[2], width), min(whole[3], height)
        if right <= left or bottom <= top:
            return None
        x, y = left // 2 * 2, top // 2 * 2
        w, h = right - x + (right - x) % 2, bottom - y + (bottom - y) % 2
        alpha = np.zeros((h, w), np.float32)
        alpha[top - y : bottom - y, left - x : right - x] = mask[
            top - square[1] : bottom - square[1], left - square[0] : right - square[0]
        ] / np.float32(255)
        rows = matrix(side, (y - box.y0) / box.height * side, side / box.height, h, triangle)
        columns = matrix(side, (x - box.x0) / box.width * side, side / box.width, w, triangle)

        def there(values: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        return cls(
            x,
            y,
            there(rows.astype(np.float32)),
            there(columns.astype(np.float32)),
            there(alpha),
            there(yuv[y : y + h, x : x + w].transpose(2, 0, 1)),
            there(BT601.astype(np.float32)),
        )

    def fitted(self, faces: Tensor) -> Tensor:
        """(n, c, s, s) float32 faces at the patch's size, (n, c, h, w)."""
        return self.rows @ faces @ self.columns.T

    def put(self, planes: Tensor, faces: Tensor) -> None:
        """Draws (n, 3, s, s) float32 RGB faces in 0 to 255 into (n, H * 3 / 2, W) uint8 frames, in place."""
        behind = self.behind.float()
        conversion = self.conversion
        yuv = torch.einsum("kc,nchw->nkhw", conversion[:, :3], self.fitted(faces)) + conversion[:, 3, None, None]
        drawn = blend(behind, yuv, self.alpha)
        h, w = self.alpha.shape
        count, height, width = len(planes), planes.shape[1] * 2 // 3, planes.shape[2]
        planes[:, self.y : self.y + h, self.x : self.x + w] = to_bytes(drawn[:, 0])
        # Each chroma sample is the mean of four pixels.
        chroma = to_bytes(drawn[:, 1:].unflatten(2, (h // 2, 2)).unflatten(4, (w // 2, 2)).mean(dim=(3, 5)))
        below = planes[:, height:].view(count, 2, height // 2, width // 2)
        below[:, :, self.y // 2 : (self.y + h) // 2, self.x // 2 : (self.x + w) // 2] = chroma

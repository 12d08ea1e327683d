"""A still portrait, made ready to speak: what of it is the same whatever is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp import _warp
from deployments.backends.lipsync.meshwarp.eyes import Eye, Looks
from deployments.backends.lipsync.meshwarp.head import Head
from deployments.backends.lipsync.meshwarp.portrait import BT601, PAD, Canvas, Portrait, square
from deployments.backends.lipsync.wav2lip.region import Region, shown
from pipeline.contracts import AnimationRequest

if TYPE_CHECKING:
    from torch import Tensor

    from deployments.backends.lipsync.wav2lip.inference import Inference


class Scene:
    """`draw` makes frames of the network's faces, any in any order. Looks at a request's portrait, face and size."""

    def __init__(self, request: AnimationRequest, inference: Inference) -> None:
        """Raises `InvalidRequest` where portrait and face don't fit together."""
        self._size = request.size
        rgb, landmarks = square(request.portrait, request.face, request.size)
        portrait = Portrait(np.asarray(cv2.transform(rgb, BT601), np.uint8), landmarks)
        self._eyes = (Eye(portrait, 0), Eye(portrait, 1))
        still = self._eyes[0].patch(0, 0), self._eyes[1].patch(0, 0)
        # Patches of the eyes replace all that lies under them.
        kept = [
            (eye.x, eye.y, eye.x + patch.y.shape[1], eye.y + patch.y.shape[0])
            for eye, patch in zip(self._eyes, still, strict=True)
        ]
        self._region = Region.of(portrait.yuv, landmarks, kept)
        self._head = Head(portrait)
        self._canvas = Canvas.of(portrait.yuv)
        self.seen: list[Tensor] = inference.look(shown(rgb, self._region.box))
        """What the network knows of the face, on its device: for `Inference.faces`."""

    def draw(self, faces: NDArray[np.float32], looks: Looks, turns: NDArray[np.float32] | None) -> NDArray[np.uint8]:
        """(n, size * 3 // 2, size) I420: frames with these (n, 3, 96, 96) faces and eyes. `turns` are the head's, as
        `head_poses` makes them; None where it is held still."""
        size, canvas = self._size, self._canvas
        planes = np.empty((len(faces), size // 2 * 3, size), np.uint8)
        for i, face in enumerate(faces):
            # Each frame replaces all that another has drawn.
            canvas.put(self._region.x, self._region.y, self._region.patch(face))
            for eye in self._eyes:
                canvas.put(eye.x, eye.y, eye.patch(int(looks.lids[i]), int(looks.glances[i])))
            field = None if turns is None else self._head.field(turns[i])
            _warp.head(canvas.y, canvas.u, canvas.v, field, planes[i], size, PAD)
        return planes

"""lipsync-meshwarp: a still photo talks, on the CPU and without a model.

The mouth's region is drawn by summed displacement fields over teeth and tongue, lids and gaze by small patches, and
the whole head is moved by one smooth warp. The inner loops are in _warp.c.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Final

import numpy as np

from deployments.backends.lipsync.kept import Kept
from deployments.backends.lipsync.limits import check
from deployments.backends.lipsync.meshwarp import _warp
from deployments.backends.lipsync.meshwarp.eyes import Eye
from deployments.backends.lipsync.meshwarp.head import Head
from deployments.backends.lipsync.meshwarp.layers import Mouth
from deployments.backends.lipsync.meshwarp.motion import Motion, Moves
from deployments.backends.lipsync.meshwarp.portrait import PAD, Canvas, cut
from deployments.backends.lipsync.windows import REMEMBERED as WINDOWS
from deployments.backends.lipsync.windows import Remembered
from pipeline.contracts import AnimationRequest, Frames, StretchRequest
from pipeline.recent import Recent

REMEMBERED: Final = 8
"""Portraits that are kept ready, about 10 MB each at 512 pixels: a video made in stretches is made ready once."""


class Meshwarp:
    """Implements `pipeline.models.StretchingModel`.

    `threads` chunks are drawn at once, ahead of what is asked for; frames don't depend on it.
    """

    def __init__(self, *, threads: int = 2) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, not at least 1")
        self._threads = threads
        self._scenes: Kept[Scene] = Kept(Scene, REMEMBERED)
        self._windows: Remembered = Recent(WINDOWS)

    def animate(self, request: AnimationRequest) -> Iterator[Frames]:
        """Raises `InvalidRequest` before the first chunk where size, face or options can't be drawn."""
        return self.stretch(StretchRequest(request, 0, 0, request.frame_count))

    def stretch(self, request: StretchRequest) -> Iterator[Frames]:
        """Raises as `animate` does."""
        check(request.animation)
        scene, motion = self._scenes.of(request.animation), Motion(request, self._windows)
        length, end = max(1, round(request.animation.fps / 2)), request.first + request.frame_count
        runs = (motion.run(first, min(length, end - first)) for first in range(request.first, end, length))
        if self._threads == 1 or request.frame_count <= length:
            for moves in runs:
                yield scene.draw(moves)
            return
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="meshwarp")
        waiting: deque[Future[Frames]] = deque()
        try:
            for moves in runs:
                waiting.append(pool.submit(scene.draw, moves))
                if len(waiting) > self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Scene:
    """A portrait, made ready to be drawn as it moves: any run of frames, in any order and from any thread."""

    def __init__(self, request: AnimationRequest) -> None:
        self._size = request.size
        portrait = cut(request.portrait, request.face, request.size)
        self._mouth = Mouth(portrait)
        self._eyes = (Eye(portrait, 0), Eye(portrait, 1))
        self._head = Head(portrait)
        self._still = Canvas.of(portrait.yuv)
        self._canvases: SimpleQueue[Canvas] = SimpleQueue()

    def draw(self, moves: Moves) -> Frames:
        """The frames in which these moves are seen."""
        size, count = self._size, len(moves.mouth.values)
        try:
            canvas = self._canvases.get_nowait()
        except Empty:
            canvas = self._still.copy()
        poses = self._mouth.poses(moves.mouth)
        planes = np.empty((count, size // 2 * 3, size), np.uint8)
        for i in range(count):
            self._mouth.draw(canvas, poses, i)
            for eye in self._eyes:
                canvas.put(eye.x, eye.y, eye.patch(int(moves.looks.lids[i]), int(moves.looks.glances[i])))
            field = None if moves.head is None else self._head.field(moves.head[i])
            _warp.head(canvas.y, canvas.u, canvas.v, field, planes[i], size, PAD)
        self._canvases.put(canvas)
        return Frames(moves.first, planes)

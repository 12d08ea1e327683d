"""lipsync-meshwarp: a still photo talks, on the CPU and without a model.

The mouth's region is drawn by summed displacement fields over teeth and tongue, lids and gaze by small patches, and
the whole head is moved by one smooth warp. The inner loops are in _warp.c.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

import numpy as np

from deployments.backends.lipsync.limits import check
from deployments.backends.lipsync.meshwarp import _warp
from deployments.backends.lipsync.meshwarp.eyes import Eye, gaze
from deployments.backends.lipsync.meshwarp.head import Head, head_poses, loudness
from deployments.backends.lipsync.meshwarp.layers import Mouth
from deployments.backends.lipsync.meshwarp.portrait import PAD, Canvas, cut
from deployments.backends.lipsync.mouth import MouthTrack
from deployments.backends.lipsync.visemes.track import mouth_track
from pipeline.contracts import AnimationRequest, Frames


class Meshwarp:
    """Implements `pipeline.models.LipsyncModel`.

    `threads` chunks are drawn at once, ahead of what is asked for; frames don't depend on it.
    """

    def __init__(self, *, threads: int = 2) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, not at least 1")
        self._threads = threads

    def animate(self, request: AnimationRequest) -> Iterator[Frames]:
        """Raises `InvalidRequest` before the first chunk where size, face or options can't be drawn."""
        check(request)
        scene = Scene(request, mouth_track(request.speech, request.fps, request.frame_count))
        yield from self._chunks(scene)

    def _chunks(self, scene: Scene) -> Iterator[Frames]:
        count = scene.request.frame_count
        length = max(1, round(scene.request.fps / 2))
        starts = iter(range(0, count, length))
        if self._threads == 1 or count <= length:
            for first in starts:
                yield scene.draw(first, min(length, count - first))
            return
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="meshwarp")
        waiting: deque[Future[Frames]] = deque()
        try:
            for first in starts:
                waiting.append(pool.submit(scene.draw, first, min(length, count - first)))
                if len(waiting) > self._threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Scene:
    """One request, made ready: any run of its frames can be drawn, in any order and from any thread."""

    def __init__(self, request: AnimationRequest, track: MouthTrack) -> None:
        self.request = request
        self.track = track
        portrait = cut(request.portrait, request.face, request.size)
        self._mouth = Mouth(portrait)
        self._eyes = (Eye(portrait, 0), Eye(portrait, 1))
        self.gaze = gaze(request)
        self._head = Head(portrait) if request.head_motion > 0 else None
        self._loudness = loudness(request.speech, request.fps, request.frame_count)
        self._still = Canvas.of(portrait.yuv)
        self._canvases: SimpleQueue[Canvas] = SimpleQueue()

    def draw(self, first: int, count: int) -> Frames:
        """Frames `first` to `first + count`."""
        request, size = self.request, self.request.size
        try:
            canvas = self._canvases.get_nowait()
        except Empty:
            canvas = self._still.copy()
        poses = self._mouth.poses(MouthTrack(self.track.values[first : first + count], request.fps))
        turns = head_poses(request, self._loudness, first, count) if self._head else None
        planes = np.empty((count, size // 2 * 3, size), np.uint8)
        for i in range(count):
            self._mouth.draw(canvas, poses, i)
            for eye in self._eyes:
                patch = eye.patch(int(self.gaze.lids[first + i]), int(self.gaze.glances[first + i]))
                canvas.put(eye.x, eye.y, patch)
            field = self._head.field(turns[i]) if self._head is not None and turns is not None else None
            _warp.head(canvas.y, canvas.u, canvas.v, field, planes[i], size, PAD)
        self._canvases.put(canvas)
        return Frames(first, planes)

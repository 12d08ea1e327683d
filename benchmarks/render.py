"""What drawing a frame costs, by stage, against encoding the same frames: CPU milliseconds a frame.

    python -m benchmarks.render [SIZE ...]

Everything is taken in one run and on one thread; x264 is veryfast, crf 20, as the product encodes.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np

from deployments.backends.face.mediapipe import MediapipeFace
from deployments.backends.lipsync.meshwarp import _warp
from deployments.backends.lipsync.meshwarp.backend import Meshwarp, Scene
from deployments.backends.lipsync.meshwarp.head import Head, head_poses, loudness
from deployments.backends.lipsync.meshwarp.layers import Mouth
from deployments.backends.lipsync.meshwarp.motion import Motion
from deployments.backends.lipsync.meshwarp.portrait import PAD, Canvas, cut
from deployments.backends.lipsync.visemes.track import mouth_track
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import AnimationRequest, Speech, SpeechRequest, StretchRequest

TEXT = (
    "The quick brown fox jumps over the lazy dog, while my mother buys five big blue balloons for everybody. "
    "How wonderful it is to speak! We shall see what people say."
)


def cpu(work: Callable[[], object]) -> float:
    """Milliseconds of the whole process."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def encode(chunks: list[np.ndarray], size: int, fps: Fraction) -> int:
    """Bytes of an H.264 file of I420 frames."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        stream.thread_count = 1
        stream.options = {"preset": "veryfast", "crf": "20"}
        for planes in chunks:
            for frame in planes:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="yuv420p")))
        container.mux(stream.encode(None))
    return file.tell()


def row(name: str, milliseconds: float, frames: int, encoding: float) -> None:
    print(f"{name:34}{milliseconds / frames:9.3f}{milliseconds / encoding:9.2f}")


def measure(size: int, speech: Speech) -> None:
    from skimage import data

    picture = np.ascontiguousarray(data.astronaut())
    asked = AnimationRequest(picture, MediapipeFace().locate(picture), speech, size=size)
    count = asked.frame_count
    model = Meshwarp(threads=1)
    list(model.animate(asked))
    chunks: list[np.ndarray] = []
    whole = cpu(lambda: chunks.extend(chunk.planes for chunk in model.animate(asked)))
    encoding = cpu(lambda: encode(chunks, size, asked.fps))
    encoding = min(encoding, cpu(lambda: encode(chunks, size, asked.fps)))

    track = mouth_track(speech, asked.fps, count)
    ready = cpu(lambda: Scene(asked))
    portrait = cut(picture, asked.face, size)
    mouth, head, canvas = Mouth(portrait), Head(portrait), Canvas.of(portrait.yuv)
    poses = mouth.poses(track)
    turns = head_poses(asked, loudness(speech, asked.fps, count), 0)
    out = np.empty((size // 2 * 3, size), np.uint8)
    scene = Scene(asked)
    still = replace(Motion(StretchRequest(asked, 0, 0, count)).run(0, count), head=None)

    print(f"{size} x {size}, {count} frames; ready after {ready:.0f} ms CPU")
    print(f"{'CPU ms a frame':34}{'':9}{'x264=1':>9}")
    row("x264 veryfast crf 20", encoding, count, encoding)
    row("poses of the mouth", cpu(lambda: mouth.poses(track)), count, encoding)
    row("mouth", cpu(lambda: [mouth.draw(canvas, poses, i) for i in range(count)]), count, encoding)
    row("field of the head", cpu(lambda: [head.field(turn) for turn in turns]), count, encoding)
    field = head.field(turns[count // 2])
    planes = canvas.y, canvas.u, canvas.v
    row("head", cpu(lambda: [_warp.head(*planes, field, out, size, PAD) for _ in range(count)]), count, encoding)
    row("head_motion=0, all", cpu(lambda: scene.draw(still)), count, encoding)
    row("all, from request to frames", whole, count, encoding)


def main() -> None:
    cv2.setNumThreads(1)
    speech = Speech.join(Espeak().speak(SpeechRequest(TEXT)))
    for size in [int(argument) for argument in sys.argv[1:]] or [512]:
        measure(size, speech)


if __name__ == "__main__":
    main()

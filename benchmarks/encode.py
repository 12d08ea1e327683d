"""What encoding costs: x264's presets, VP9, GIF and the sound, on a portrait that talks.

    python -m benchmarks.encode [seconds]

CPU milliseconds a frame, file size and likeness to what was rendered (PSNR of luma) for each way of encoding, then
what the writer adds to the bare encoder. All in one run, on the same frames: compare rows, not runs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.face.mediapipe import MediapipeFace
from deployments.backends.lipsync.meshwarp.backend import Meshwarp
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import AnimationRequest, Encoding, Speech, SpeechRequest
from pipeline.media.video import VideoWriter

SIZE = 512
FPS = Fraction(25)
TEXT = "The quick brown fox jumps over the lazy dog, while five boxing wizards watch from the side of the road. " * 3


def talking(seconds: float) -> tuple[NDArray[np.uint8], Speech]:
    """Frames of the photo in the scikit-image wheel, talking, and what is said."""
    from skimage import data

    photo = np.ascontiguousarray(data.astronaut())
    speech = Speech.join(list(Espeak().speak(SpeechRequest(TEXT))))
    request = AnimationRequest(photo, MediapipeFace().locate(photo), speech, size=SIZE, fps=FPS)
    parts = []
    for frames in Meshwarp().animate(request):
        parts.append(frames.planes.copy())
        if sum(map(len, parts)) >= seconds * FPS:
            break
    return np.concatenate(parts), speech


def written(path: Path, planes: NDArray[np.uint8], encoding: Encoding, speech: Speech | None, threads: int) -> float:
    """CPU seconds."""
    start = time.process_time()
    rate = speech.sample_rate if speech else None
    with VideoWriter(path, size=SIZE, fps=FPS, sample_rate=rate, encoding=encoding, threads=threads) as film:
        if speech:
            film.write_audio(speech.samples)
        film.write_frames(planes)
    return time.process_time() - start


def bare(path: Path, planes: NDArray[np.uint8]) -> float:
    """CPU seconds of x264 veryfast by itself: no tags, no sound, no index in front."""
    start = time.process_time()
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for index, plane in enumerate(planes):
            frame = av.VideoFrame.from_numpy_buffer(plane, "yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return time.process_time() - start


def likeness(path: Path, planes: NDArray[np.uint8]) -> float:
    """Mean PSNR of luma over every fifth frame, dB."""
    found = []
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 5:
                continue
            rgb = frame.to_ndarray(format="rgb24") if frame.format.name != "yuv420p" else None
            luma = frame.to_ndarray()[:SIZE] if rgb is None else cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
            if luma.shape[1] != SIZE:
                luma = cv2.cvtColor(cv2.resize(rgb, (SIZE, SIZE)), cv2.COLOR_RGB2YUV_I420) if rgb is not None else luma
            error = np.square(luma[:SIZE].astype(float) - planes[index, :SIZE]).mean()
            found.append(10 * np.log10(255**2 / error))
    return float(np.mean(found))


def main() -> None:
    planes, speech = talking(float(sys.argv[1]) if len(sys.argv) > 1 else 8.0)
    rows = [(f"x264 {preset} crf {crf}", Encoding(preset=preset, crf=crf), 1)
            for preset, crf in (("ultrafast", 20), ("superfast", 20), ("superfast", 23), ("veryfast", 20),
                                ("veryfast", 23), ("faster", 20), ("medium", 20))]  # fmt: skip
    rows += [("x264 veryfast crf 20, 2 threads", Encoding(), 2)]
    rows += [("VP9", Encoding(format="webm"), 1), ("GIF", Encoding(format="gif"), 1)]
    print(f"{len(planes)} frames of {SIZE} x {SIZE} at {FPS} a second")
    print(f"{'':34}{'CPU ms/frame':>14}{'KiB/s':>9}{'PSNR dB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        for name, encoding, threads in rows:
            spent = written(path, planes, encoding, None, threads) / len(planes) * 1000
            size = path.stat().st_size / 1024 / (len(planes) / FPS)
            print(f"{name:34}{spent:14.2f}{size:9.0f}{likeness(path, planes):9.1f}")
        alone = min(bare(path, planes) for _ in range(3))
        silent = min(written(path, planes, Encoding(), None, 1) for _ in range(3))
        full = min(written(path, planes, Encoding(), speech, 1) for _ in range(3))
    print(f"writer / bare encoder: {silent / alone:.2f}; with sound: {full / alone:.2f}")


if __name__ == "__main__":
    main()

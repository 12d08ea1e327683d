"""The product's own figures, all in one run: start, memory, a warm and a cold render, CPU time a frame.

    python -m benchmarks.product

Wants an idle machine. Wall times depend on it; the ratio of CPU times does so least.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import name, tree, unshared_megabytes
from benchmarks.server import server

TEXT = (
    "Good morning, everybody number {0}. My name is Maria, and I would like to show you how a photograph speaks. "
    "Peter Piper picked {0} pecks of pickled peppers, and mama baked muffins."
)
"""Half a second more than ten."""
ROUNDS = 5


def photo() -> bytes:
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    return buffer.getvalue()


def served(folder: Path) -> dict[str, Any]:
    """Start, idle memory and warm renders of a server of its own."""
    import httpx

    with server(folder) as running:
        time.sleep(10)  # until the dashboard has started too and nothing is busy: idle is what is measured
        memory = {process: unshared_megabytes(process) for process in tree(running.process)}
        listing = sorted(((size, name(process)) for process, size in memory.items()), reverse=True)
        face, jobs = photo(), []
        for take in range(ROUNDS + 1):
            files = {"portrait": ("face.png", face, "image/png")}
            sent = time.monotonic()
            address = f"{running.url}/api/v1/videos?wait=300"
            job = httpx.post(address, data={"text": TEXT.format(take)}, files=files, timeout=310).json()
            if job.get("status") != "completed":
                raise RuntimeError(str(job))
            jobs.append((time.monotonic() - sent, job["result"]))
        warm = sorted(jobs[1:], key=lambda pair: pair[0])[ROUNDS // 2]
        return {
            "ready": running.seconds,
            "memory": sum(memory.values()),
            "processes": listing,
            "first": jobs[0][0],
            "warm": warm[0],
            "result": warm[1],
        }


def cold(folder: Path) -> float:
    """Wall seconds of `mouthpiece render` without a server, median of three."""
    picture = folder / "face.png"
    picture.write_bytes(photo())
    seconds = []
    for take in range(3):
        command = [sys.executable, "-m", "clients.cli.main", "render", "--text", TEXT.format(take)]
        command += ["--portrait", str(picture), "--set", f"storage.folder={folder}", "-o", str(folder / "cold.mp4")]
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)


def alone(planes: np.ndarray, folder: Path) -> float:
    """CPU seconds of x264 on these frames and nothing else, with the preset and quality of the product."""
    import av

    from pipeline.settings import Video

    settings = Video()
    began = time.process_time()
    with av.open(str(folder / "alone.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width = stream.height = planes.shape[2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": settings.preset, "crf": str(settings.crf), "threads": "1"}
        for plane in planes:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(plane, "yuv420p")))
        file.mux(stream.encode(None))
    return time.process_time() - began


def per_frame(folder: Path) -> tuple[float, float]:
    """CPU milliseconds a frame from text to file, everything in one warm process, and of encoding alone."""
    import asyncio

    from deployments.app import resolve
    from deployments.backends.face.mediapipe import MediapipeFace
    from deployments.backends.lipsync.meshwarp.backend import Meshwarp
    from deployments.backends.voice.espeak import Espeak
    from deployments.local import LocalApplication
    from pipeline.contracts import AnimationRequest, Speech, SpeechRequest, VideoRequest
    from pipeline.media.image import decode_picture
    from pipeline.steps.locate import cut

    application = LocalApplication(resolve({"storage": {"folder": str(folder)}}))
    face = photo()
    picture = decode_picture(face, field="portrait", max_pixels=10**8)
    found = cut(picture, MediapipeFace().locate(picture))
    voice, mesh = Espeak(), Meshwarp()

    async def once(take: int) -> tuple[float, int]:
        began = time.process_time()
        job = await application.operations.create_video(VideoRequest(text=TEXT.format(take), portrait=face))
        job = await application.operations.wait_video(job.id, 300)
        if job.result is None:
            raise RuntimeError(str(job.error))
        return time.process_time() - began, job.result.frames

    whole, encoding = [], []
    for take in range(ROUNDS + 1):
        seconds, frames = asyncio.run(once(take))
        speech = Speech.join(voice.speak(SpeechRequest(TEXT.format(take))))
        request = AnimationRequest(found.picture, found.face, speech, fps=Fraction(25))
        planes = np.concatenate([chunk.planes for chunk in mesh.animate(request)])
        if len(planes) != frames:
            raise RuntimeError("the frames are not the same")
        whole.append(1000 * seconds / frames)
        encoding.append(1000 * alone(planes, folder) / frames)
    application.close()
    return statistics.median(whole[1:]), statistics.median(encoding[1:])


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "process").mkdir()
        figures = served(folder / "served")
        cold_seconds = cold(folder)
        whole, encoding = per_frame(folder / "process")
    result = figures["result"]
    timings = result["timings"]
    print(f"load of the machine before and now: {os.getloadavg()}")
    print(f"ready after `mouthpiece serve`                 {figures['ready']:8.1f} s     (asked: 15)")
    print(f"unshared memory, idle, all processes           {figures['memory']:8.0f} MB    (asked: 1500)")
    for size, process in figures["processes"][:20]:
        print(f"    {size:6.0f} MB  {process}")
    print(f"first render on the new server                 {figures['first']:8.2f} s")
    print(
        f"warm render of {result['seconds']:5.1f} s, request to answer      {figures['warm']:8.2f} s     (asked: 1.5)"
    )
    print(f"    Ray: routing, serialisation, hand-over     {timings['transport']:8.3f} s     (asked: 0.1)")
    for stage, seconds in timings.items():
        print(f"    {stage:43}{seconds:8.3f} s")
    print(f"cold `mouthpiece render`, no server            {cold_seconds:8.2f} s     (asked: 6)")
    print(f"CPU a frame, text to file                      {whole:8.2f} ms")
    print(f"CPU a frame, encoding alone                    {encoding:8.2f} ms")
    print(f"ratio                                          {whole / encoding:8.2f}       (asked: 2.5)")


if __name__ == "__main__":
    main()

"""What durability costs: a job against the same models called directly, and how soon a job begins.

    python -m benchmarks.jobs        (make bench-jobs)

Both ways use the same replicas of one running server and take turns, each time with sentences and a seed that nobody
used before. The direct way keeps nothing: its film is counted and forgotten.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.product import photo
from benchmarks.server import Served, server

SENTENCES = (
    "Good morning, everybody, this is take number {}.",
    "Take {} shows how a photograph of a face learns to speak.",
    "Peter Piper picked {} pecks of pickled peppers for us all.",
)
ROUNDS = 12


def text(take: int) -> str:
    return " ".join(sentence.format(take) for sentence in SENTENCES)


def durable(url: str, face: bytes, take: int) -> tuple[float, float, float]:
    """Wall seconds of a job: from its acceptance to its start, from its start to its end, and of its video."""
    import httpx

    files = {"portrait": ("face.png", face, "image/png")}
    data = {"text": text(take), "seed": str(take)}
    job = httpx.post(f"{url}/api/v1/videos?wait=300", data=data, files=files, timeout=310).json()
    if job.get("status") != "completed":
        raise RuntimeError(str(job))
    shown = httpx.get(f"{url}/api/v1/jobs/{job['id']}", timeout=60).json()
    created, started, ended = (
        datetime.fromisoformat(shown[f"{name}_at"]) for name in ("created", "started", "completed")
    )
    return (started - created).total_seconds(), (ended - started).total_seconds(), job["result"]["seconds"]


async def directly(models: Any, portrait: Any, take: int) -> float:
    """Wall seconds of the same calls without job, database and store."""
    from pipeline.contracts import AnimationRequest, Encoding, Speech, SpeechRequest
    from pipeline.nodes.speech import said

    began = time.perf_counter()
    parts: list[Speech] = []
    for sentence in SENTENCES:
        request = SpeechRequest(sentence.format(take), final=False)
        parts.append(Speech.join([part async for part in models.speak("espeak", request)]))
    animation = AnimationRequest(portrait.picture, portrait.face, said(parts), 512, Fraction(25), take)
    size = 0
    async for piece in models.film("meshwarp", animation, Encoding()):
        size += len(piece.data)
    if not size:
        raise RuntimeError("nothing was filmed")
    return time.perf_counter() - began


def measure(running: Served, address: str) -> None:
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # read when Ray is imported
    import ray
    from ray import serve

    from deployments.handles import HandleModels
    from pipeline.media.image import decode_picture
    from pipeline.steps.locate import cut

    ray.init(address=address, log_to_driver=False, logging_level=40)
    names = {"voice": "espeak", "face": "mediapipe", "lipsync": "meshwarp"}
    handles: dict[Any, Any] = {
        capability: {name: serve.get_deployment_handle(f"{capability}-{name}", "mouthpiece")}
        for capability, name in names.items()
    }
    models, face = HandleModels(handles), photo()
    picture = decode_picture(face, field="portrait", max_pixels=10**8)
    durables: list[tuple[float, float, float]] = []
    directs: list[float] = []

    async def rounds() -> None:
        portrait = cut(picture, await models.locate("mediapipe", picture))
        for take in range(1, 2 * ROUNDS + 3, 2):
            one = await asyncio.to_thread(durable, running.url, face, take)
            other = await directly(models, portrait, take + 1)
            if take > 1:  # the first of each warms the replicas up
                durables.append(one)
                directs.append(other)

    asyncio.run(rounds())
    job, direct = statistics.median(d[1] for d in durables), statistics.median(directs)
    begins = sorted(d[0] for d in durables)
    print(f"video of {durables[0][2]:.1f} s, medians of {len(directs)} rounds in turn")
    print(f"direct calls        {direct:.3f} s")
    print(f"durable job         {job:.3f} s from start to end: {job / direct:.3f} times (asked: at most 1.05)")
    print(f"enqueued to started {statistics.median(begins):.3f} s, longest {begins[-1]:.3f} s (asked: under 0.2 s)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        measure(running, running.ray)


if __name__ == "__main__":
    main()

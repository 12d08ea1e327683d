"""`make bench-long`: a long video as a job: what stays in memory, whether sound and lips end together, and kill -9.

    python -m benchmarks.long [--sentences 400]

On servers of its own, over HTTP, with the embedded backends. Wants an idle machine, and some minutes: 400 sentences are
about twenty minutes of video, made once without a break and once with a kill -9 of everything in the middle.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.processes import name, resident_megabytes, tree, unshared_megabytes
from benchmarks.product import photo
from benchmarks.server import Served, server
from benchmarks.stream import seen

LOOK_SECONDS = 5.0
FIRST_SECONDS = 60.0
"""After which nothing should grow."""
GROWN = 0.05
SMALL_MEGABYTES = 5.0
"""Pipes and the like."""


def script(sentences: int) -> str:
    """Sentences of about three seconds."""
    return " ".join(f"Number {at} of many: the sun was out." for at in range(sentences))


def asked(running: Served, sentences: int, face: bytes) -> str:
    """The id of the job. No sentence was ever spoken before on this server."""
    files = {"portrait": ("face.png", face, "image/png")}
    answer = httpx.post(f"{running.url}/api/v1/videos", data={"text": script(sentences)}, files=files, timeout=60)
    answer.raise_for_status()
    return answer.json()["id"]


def job(running: Served, video: str) -> dict[str, object]:
    answer = httpx.get(f"{running.url}/api/v1/videos/{video}", timeout=60)
    answer.raise_for_status()
    found = answer.json()
    if found["status"] not in ("queued", "running", "completed"):
        raise RuntimeError(found)
    return found


def published(running: Served, video: str) -> float:
    """Seconds of it that can be played."""
    answer = httpx.get(f"{running.url}/api/v1/videos/{video}/hls/playlist.m3u8", timeout=60)
    if answer.status_code == 503:
        return 0.0
    answer.raise_for_status()
    lines = answer.text.splitlines()
    return sum(float(line[len("#EXTINF:") : -1]) for line in lines if line.startswith("#EXTINF:"))


def in_one_go(sentences: int, face: bytes) -> float:
    """Wall seconds that it took."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as running:
        began = time.monotonic()
        video = asked(running, sentences, face)
        before: dict[int, tuple[float, float]] = {}
        most: dict[int, tuple[float, float]] = {}
        first = 0.0
        while job(running, video)["status"] != "completed":
            time.sleep(LOOK_SECONDS)
            passed = time.monotonic() - began
            if not first and published(running, video):
                first = passed
            if passed >= FIRST_SECONDS:
                now = {each: (resident_megabytes(each), unshared_megabytes(each)) for each in tree(running.process)}
                before = before or now
                for each, sizes in now.items():
                    highest, alone = most.get(each, sizes)
                    most[each] = max(highest, sizes[0]), max(alone, sizes[1])
        took = time.monotonic() - began
        content = httpx.get(f"{running.url}/api/v1/videos/{video}/content", timeout=600).content
        pictures, sound = seen(content)
        print(
            f"{sentences} sentences: {pictures:.1f} s of video in {took:.1f} s, {pictures / took:.1f} times real time"
        )
        print(f"    the first {first:.0f} s after it was asked for could be played then (looked at every 5 s)")
        print(f"    pictures and sound end {1000 * abs(pictures - sound):.0f} ms from each other (asked: 40)")
        print("    MB after a minute and at the most later, resident (asked: within 5 %) and unshared:")
        for process, (resident, unshared) in before.items():
            if resident > SMALL_MEGABYTES:
                highest, alone = most[process]
                word = "TOO MUCH" if highest - resident > GROWN * resident else "flat"
                print(
                    f"    {resident:7.1f} {highest - resident:+6.1f}  {word:<8} "
                    f"{unshared:7.1f} {alone - unshared:+6.1f}  {name(process)}"
                )
        if not before:
            print("    memory was not looked at: it took less than a minute")
        return took


def killed(sentences: int, face: bytes, half: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with server(Path(folder)) as running:
            video = asked(running, sentences, face)
            time.sleep(half)  # The moment at which it is killed, not a wait for something.
            kept = published(running, video)
            for process in list(tree(running.process)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        with server(Path(folder)) as running:
            began = time.monotonic()
            there = published(running, video)
            while (found := job(running, video))["status"] != "completed":
                time.sleep(0.5)
            took = time.monotonic() - began
            facts = found["result"]
            drawn = facts["timings"].get("render", 0.0) if isinstance(facts, dict) else 0.0
            print(f"killed after {half:.0f} s with {kept:.0f} s of video published; {there:.0f} s were there again")
            print(f"    finished {took:.1f} s after the next start; {drawn:.1f} s of them were spent on drawing")
            content = httpx.get(f"{running.url}/api/v1/videos/{video}/content", timeout=600).content
            pictures, sound = seen(content)
            print(f"    {pictures:.1f} s of pictures, {sound:.1f} s of sound")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sentences", type=int, default=400)
    options = parser.parse_args()
    face = photo()
    took = in_one_go(options.sentences, face)
    killed(options.sentences, face, took / 2)


if __name__ == "__main__":
    main()

"""Videos that are watched while they are made: how soon they begin, how fast they go on, what stays in memory.

    python -m benchmarks.stream [--sentences 400] [--long 40] [--readers 4]
    python -m benchmarks.stream --voice xtts --lipsync musetalk [--tiny]

On a server of its own, over HTTP, with the embedded backends unless others are named. Wants an idle machine. Begins are
read at the client: from the request until the first fragment has arrived whole. With --tiny, XTTS and MuseTalk are
small and their weights random: all that is shown then is that the script runs.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks import gpu_report
from benchmarks.processes import name, tree, unshared_megabytes
from benchmarks.product import photo
from benchmarks.server import Served, server
from pipeline.contracts import HEARD_AFTER, Speech, SpeechRequest

ROUNDS = 5
ASKED: Final = 0.7
"""Seconds until the first fragment, with the embedded backends."""
ASKED_OF_A_CARD: Final = 1.0
"""The same with XTTS and MuseTalk."""
PATIENCE: Final = 600
"""Seconds: large networks are loaded by the first request."""
LENGTHS = (0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5)
"""Seconds of the first fragments; all that follow have two."""


def script(sentences: int, tag: str) -> str:
    """Sentences of about four seconds that were never spoken before."""
    return " ".join(
        f"Take {tag}, {at}: the weather was rather fine, and so we went for a walk." for at in range(sentences)
    )


def fragments(running: Served, text: str, face: bytes) -> Iterator[tuple[float, bytes]]:
    """Seconds since the request, and the fragment that was whole then, the header with the first of them."""
    files = {"portrait": ("face.png", face, "image/png")}
    sent, grown, at = time.monotonic(), b"", 0
    with httpx.stream(
        "POST", f"{running.url}/api/v1/videos/stream", data={"text": text}, files=files, timeout=PATIENCE
    ) as got:
        if got.status_code != 200:
            raise RuntimeError(got.read().decode())
        for piece in got.iter_raw():
            grown += piece
            while at + 8 <= len(grown):
                length, kind = struct.unpack_from(">I4s", grown, at)
                if at + length > len(grown):
                    break
                at += length
                if kind == b"mdat":
                    yield time.monotonic() - sent, grown[:at]
                    grown, at = grown[at:], 0


def begins(running: Served, sentences: int, face: bytes, rounds: int = ROUNDS) -> float:
    """Median seconds until the first fragment is there."""
    found = []
    for take in range(rounds):
        for seconds, _ in fragments(running, script(sentences, f"{sentences} {rounds} {take}"), face):
            found.append(seconds)
            break
        time.sleep(1)  # what was begun stops meanwhile, which nothing tells
    return statistics.median(found)


def seen(data: bytes) -> tuple[float, float]:
    """Seconds of the pictures and of the sound."""
    import av

    with av.open(io.BytesIO(data), "r") as file:
        pictures = sum(1 for packet in file.demux(video=0) if packet.size)
    with av.open(io.BytesIO(data), "r") as file:
        return pictures / 25, sum(frame.samples for frame in file.decode(audio=0)) / 48_000


def long(running: Served, sentences: int, face: bytes) -> None:
    """One reader who takes all he can get."""
    parts, memory, seconds = [], {}, 0.0
    for seconds, part in fragments(running, script(sentences, "long"), face):  # noqa: B007 - the last one is read below
        parts.append(part)
        if not memory and len(parts) >= 40:
            memory = {process: unshared_megabytes(process) for process in tree(running.process)}
    pictures, sound = seen(b"".join(parts))
    print(
        f"{sentences} sentences: {pictures:.1f} s of video in {seconds:.1f} s, {pictures / seconds:.1f} times real time"
    )
    print(f"    pictures and sound end {1000 * abs(pictures - sound):.0f} ms from each other")
    for process, before in memory.items():
        grown = unshared_megabytes(process) - before
        if grown > 0.05 * before:
            print(f"    {name(process)}: {before:.0f} MB after 70 s of video, {grown:+.0f} MB later")


def together(running: Served, readers: int, face: bytes) -> None:
    """Whether each has what he plays when he plays it, from his own first fragment on."""

    def margin(reader: int) -> float:
        had, least, began = 0.0, float("inf"), 0.0
        lengths = chain(LENGTHS, repeat(2.0))
        for seconds, _ in fragments(running, script(12, f"reader {reader}"), face):
            if not had:
                began = seconds
            else:
                least = min(least, had - (seconds - began))
            had += next(lengths)
        return least

    with ThreadPoolExecutor(readers) as pool:
        margins = list(pool.map(margin, range(readers)))
    print(f"{readers} readers at once: the next fragment came {min(margins):.2f} s before it was due, at the least")


def work(voice: str, lipsync: str, options: Mapping[str, Any]) -> None:
    """What there is to do before the first fragment, alone and without a server."""
    from deployments.backends import registry
    from deployments.backends.face.mediapipe import MediapipeFace
    from pipeline.contracts import AnimationRequest, Encoding, StretchRequest
    from pipeline.media.fragments import FragmentWriter
    from pipeline.media.image import decode_picture
    from pipeline.steps.locate import cut
    from pipeline.steps.stretch import stretch
    from pipeline.text import normalise, sentences

    def passed(what: str) -> None:
        nonlocal mark
        now = time.perf_counter()
        print(f"    {what:44}{1000 * (now - mark):8.1f} ms")
        mark = time.perf_counter()

    picture = decode_picture(photo(), field="portrait", max_pixels=10**8)
    found = cut(picture, MediapipeFace().locate(picture))
    speaker = registry.load(registry.find("voice", voice), options.get(voice))
    model = registry.load(registry.find("lipsync", lipsync), options.get(lipsync))
    for warm in (False, True):
        print(f"the work in it, one thing after the other, {'warm' if warm else 'cold'}:")
        mark = time.perf_counter()
        pieces = sentences(normalise(script(400, "work"), limit=10**6), "en")
        passed("400 sentences, found in the text")
        speech = so_far(speaker.speak(SpeechRequest(" ".join(pieces[:4]), final=False)), 0.5 + HEARD_AFTER + 0.1)
        passed(f"as much spoken as is heard with it, {speech.seconds:.1f} s")
        request = AnimationRequest(found.picture, found.face, speech)
        writer = FragmentWriter(size=512, fps=request.fps, sample_rate=speech.sample_rate)
        passed("a file begun")
        whole = StretchRequest(request, 0, 0, 12)
        *_, made = stretch(model, whole, Encoding())
        passed("12 frames, drawn and encoded")
        if not isinstance(made, int):
            writer.write_audio(speech.samples[: whole.sample_at(12)])
            writer.write_pictures(made)
        passed("the first fragment written")


def so_far(parts: Iterator[Speech], seconds: float) -> Speech:
    """What a voice has said when that lasts so long, or all."""
    said: list[Speech] = []
    for part in parts:
        said.append(part)
        if sum(each.seconds for each in said) >= seconds:
            break
    return Speech.join(said)


def small(folder: Path) -> dict[str, dict[str, Any]]:
    """Options of backends whose networks are small, and written below `folder`."""
    from benchmarks import random_musetalk, random_xtts

    xtts = random_xtts.write(folder / "xtts", audio_tokens=28)  # 1.3 s a sentence: it finds no end before
    return {"xtts": {"weights": str(xtts)}, "musetalk": random_musetalk.write(folder / "musetalk")}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sentences", type=int, default=400, help="of the long script that is only begun")
    parser.add_argument("--long", type=int, default=40, help="sentences of the video that is read to its end")
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--voice", default="espeak", help="backend of the voice: xtts")
    parser.add_argument("--lipsync", default="meshwarp", help="backend that draws: musetalk")
    parser.add_argument("--tiny", action="store_true", help="small networks with random weights")
    chosen = parser.parse_args(arguments)
    face, embedded = photo(), (chosen.voice, chosen.lipsync) == ("espeak", "meshwarp")
    if not embedded:
        import torch

        what = f"voice-{chosen.voice} and lipsync-{chosen.lipsync}{', small, of random weights' if chosen.tiny else ''}"
        gpu_report.head(gpu_report.machine(torch), what, torch.cuda.is_available())
    with tempfile.TemporaryDirectory() as folder:
        options = small(Path(folder)) if chosen.tiny else {}
        settings = [f"options.{name}={json.dumps(own)}" for name, own in options.items()]
        if not embedded:
            settings += [f'voice.backends=["{chosen.voice}"]', f'lipsync.backends=["{chosen.lipsync}"]']
        with server(Path(folder) / "data", *settings) as running:
            begins(running, 1, face, rounds=2)  # everything is loaded then
            one, many = begins(running, 1, face), begins(running, chosen.sentences, face)
            limit = ASKED if embedded else ASKED_OF_A_CARD
            print(f"first fragment, 1 sentence       {one:6.3f} s   (asked: {limit})")
            asked = f"(asked: {limit}, and {1.2 * one:.3f}, 1.2 times the above)"
            print(f"first fragment, {chosen.sentences} sentences    {many:6.3f} s   {asked}")
            long(running, chosen.long, face)
            together(running, chosen.readers, face)
        work(chosen.voice, chosen.lipsync, options)
    if embedded:
        print("NOT RUN: the same on a card with MuseTalk and XTTS: --voice xtts --lipsync musetalk")


if __name__ == "__main__":
    main()

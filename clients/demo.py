"""`make demo`: the main job once, from nothing to a video file, through Ray Serve and over HTTP.

    python -m clients.demo [OUT.mp4]

Starts the application of serve_config.yaml on a local Ray cluster of its own, sends it one request with a real
photograph, follows its progress, writes the video, says what was made and how long each stage took, and stops the
cluster again, also after Ctrl-C. Exit codes are those of the command line: 0 done, 1 failed, 130 interrupted.
"""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clients.cli import progress, screen
from clients.python.client import Client
from pipeline.contracts import VideoRequest
from pipeline.errors import MouthpieceError, Unavailable

TEXT: Final = (
    "Hello! I am a photograph, and a moment ago I could not speak. "
    "My voice comes from a text, my lips follow every sound of it, and nothing was downloaded to make this. "
    "Give me your words, and I will say them."
)
OUT: Final = Path("out/demo.mp4")
CONFIG: Final = Path("serve_config.yaml")
INTERRUPTED: Final = 130
ENDS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals after which the cluster is stopped."""


def main() -> int:
    for number in ENDS:
        signal.signal(number, signal.default_int_handler)
    try:
        return _demo()
    except KeyboardInterrupt:
        screen.note("Interrupted.")
        return INTERRUPTED


def _demo() -> int:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mouthpiece-demo-") as folder:
        screen.note("Starting Ray and the application of serve_config.yaml ...")
        server, urls = None, None
        try:
            with _undisturbed():  # a server that was started is known here, and so is stopped
                server = _server(Path(folder))
            urls = _ready(server)
            ready = time.monotonic()
            screen.note(f"Ready after {ready - began:.1f} s at {urls['http']}")
            return _make(urls["http"], out, ready)
        except MouthpieceError as error:
            screen.note(f"The demo failed: {error.message}")
            return 1
        finally:
            screen.note("Stopping the cluster ...")
            if server is not None:
                # Until it is ready it may not take SIGINT quietly, and with Ray in it no SIGTERM.
                _stop(server, signal.SIGINT if urls else signal.SIGTERM)


def _make(url: str, out: Path, ready: float) -> int:
    with Client(url) as client:
        job = client.render(VideoRequest(text=TEXT, portrait=_photo()))
        job = progress.follow(client.watch(job.id), quiet=False)
        if job.result is None:
            screen.note(f"The video {job.status}: {job.error.message if job.error else 'no reason given'}")
            return 1
        client.download(job, out)
    facts = job.result
    made = ", ".join(f"{capability} {backend}" for capability, backend in facts.backends.items())
    stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in facts.timings.items())
    screen.line(
        f"{out}: {facts.seconds:.1f} s, {facts.frames} frames of {facts.size}x{facts.size}, {facts.bytes:,} bytes"
    )
    screen.line(f"made by {made}, {time.monotonic() - ready:.1f} s after the request")
    screen.line(f"seconds in each stage (they overlap): {stages}")
    return 0


def _photo() -> bytes:
    """A portrait that NASA gave to the public domain; scikit-image carries it in its wheel."""
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    return buffer.getvalue()


def _server(folder: Path) -> subprocess.Popen[str]:
    settings = (
        f"server.port={_free_port()}",
        f"ray.dashboard_port={_free_port()}",
        f"storage.folder={folder}",
    )
    flags = [flag for setting in settings for flag in ("--set", setting)]
    command = [sys.executable, "-m", "clients.cli.main", "serve", "--config", str(CONFIG), "--json", *flags]
    # In a session of its own, the terminal's Ctrl-C reaches this process alone, which stops the server in its own time.
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def _stop(server: subprocess.Popen[str], number: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(number)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        # Killed, it leaves its cluster: Ray's own processes end when they miss it.
        server.kill()
        screen.note("The cluster did not stop within a minute; `ray stop` ends what is left of it.")


@contextmanager
def _undisturbed() -> Generator[None]:
    """Within it, an interruption waits until its end."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def _ready(server: subprocess.Popen[str]) -> dict[str, str]:
    if server.stdout is None:
        raise RuntimeError("the server was started without a pipe")
    for line in server.stdout:
        if line.startswith("{"):
            return json.loads(line)["urls"]
    raise Unavailable(f"The server ended with {server.wait()} before it was ready.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())

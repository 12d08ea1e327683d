"""A server of a benchmark's own: `mouthpiece serve` on free ports, with a data folder that goes with it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Served:
    """Where it answers, its process, and how many wall seconds it took from nothing to ready."""

    url: str
    process: int
    seconds: float
    ray: str
    """Address of its cluster, for `ray.init` in another process of this user."""


@contextmanager
def server(folder: Path, *settings: str) -> Generator[Served]:
    """Ready when the block begins, stopped when it ends. `settings` as after --set."""
    sets = (*settings, f"server.port={_free_port()}", f"ray.dashboard_port={_free_port()}", f"storage.folder={folder}")
    flags = [flag for setting in sets for flag in ("--set", setting)]
    command = [sys.executable, "-m", "clients.cli.main", "serve", "--config", "serve_config.yaml", "--json", *flags]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline() if process.stdout else ""
        urls = json.loads(line)["urls"]
        yield Served(urls["http"], process.pid, time.monotonic() - began, urls["ray"])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

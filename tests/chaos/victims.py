"""Who is killed, and how each is found among the processes of a server."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

from benchmarks.processes import tree

VICTIMS: Final = {
    "coordinator": "ray::ServeReplica:mouthpiece:coordinator",
    "voice replica": "ray::ServeReplica:mouthpiece:voice-",
    "avatar replica": "ray::ServeReplica:mouthpiece:avatar-",
    "face replica": "ray::ServeReplica:mouthpiece:face-",
    "lipsync replica": "ray::ServeReplica:mouthpiece:lipsync-",
    "ingress replica": "ray::ServeReplica:mouthpiece:ingress",
    "proxy": "ray::ProxyActor",
    "controller": "ray::ServeController",
}
"""Kind of victim -> how its command line begins."""

CLUSTER: Final = "cluster"
"""The whole of it, from the command itself to the last worker."""


def find(root: int, victim: str) -> list[int]:
    """Process ids of the victim's processes, as they are now."""
    if victim == CLUSTER:
        return list(tree(root))
    return [process for process in tree(root) if _command(process).startswith(VICTIMS[victim])]


def kill(root: int, victim: str) -> bool:
    """SIGKILL, at once, to all of it; False where there is nobody to kill."""
    found = find(root, victim)
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return bool(found)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""

"""What a tree of processes takes, read from /proc: CPU seconds and memory that nobody else shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> Iterator[int]:
    """`root` and every living process below it. Ray's daemons stay children of the process that started Ray."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        waiting += children.get(process, [])


def cpu_seconds(process: int) -> float:
    """User and system time of one process and of its children that have ended; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / TICKS


def unshared_megabytes(process: int) -> float:
    """Private memory of one process; 0 if it is gone. What forks share becomes private where one of them writes."""
    return _megabytes(process, "Private_Clean", "Private_Dirty")


def resident_megabytes(process: int) -> float:
    """Resident memory of one process, shared or not; 0 if it is gone."""
    return _megabytes(process, "Rss")


def _megabytes(process: int, *fields: str) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.partition(":")[0] in fields) / 1024


def name(process: int) -> str:
    """The command, cut short."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:60]
    except OSError:
        return "gone"

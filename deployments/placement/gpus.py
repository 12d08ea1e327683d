"""Facts about NVIDIA cards, from `nvidia-smi`: no torch, no CUDA context, nothing at import.

The fields are those of `nvidia-smi --help-query-gpu`; the list of MIG devices is that of `nvidia-smi -L`
(NVIDIA Multi-Instance GPU user guide).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MEBIBYTE = 2**20
GIBIBYTE = 2**30
QUERY = ("index", "uuid", "name", "memory.total", "memory.used", "driver_version", "mig.mode.current")
TIMEOUT_SECONDS = 10.0
"""Without persistence mode the driver wakes every card first, which takes seconds."""

log = logging.getLogger("mouthpiece.gpus")


@dataclass(frozen=True, slots=True)
class Card:
    """A card, or one MIG device of a card: what a process can be given."""

    index: int
    """In the order of the PCI bus, as nvidia-smi counts. MIG devices share that of their card."""
    uuid: str
    name: str
    driver: str
    total_bytes: int | None
    """None where the driver does not say (memory shared with the processor, no permission)."""
    used_bytes: int | None
    """By all processes; None where the driver does not say."""

    @property
    def total_gigabytes(self) -> float | None:
        return None if self.total_bytes is None else self.total_bytes / GIBIBYTE

    @property
    def used_gigabytes(self) -> float | None:
        return None if self.used_bytes is None else self.used_bytes / GIBIBYTE


@dataclass(frozen=True, slots=True)
class Detection:
    """What was found, and what went wrong where something did."""

    cards: tuple[Card, ...] = ()
    problem: str | None = None

    @property
    def vram_gigabytes(self) -> float | None:
        """Memory of the smallest card, in 2**30 bytes: a replica may land on any. None without a usable card."""
        return min((card.total_gigabytes for card in self.cards if card.total_gigabytes is not None), default=None)


class _Failed(Exception):
    """Detection went wrong; the text says how."""


def cards() -> tuple[Card, ...]:
    """The cards of this process. What went wrong is logged; `detect` also returns it."""
    return detect(os.environ).cards


def vram_gigabytes() -> float | None:
    """What the hardware profile of this process goes by: `Detection.vram_gigabytes`."""
    return detect(os.environ).vram_gigabytes


def detect(environment: Mapping[str, str], timeout_seconds: float = TIMEOUT_SECONDS) -> Detection:
    """The cards that processes with this environment can use.

    `nvidia-smi` is looked for on its PATH; CUDA_VISIBLE_DEVICES hides cards, as it does from CUDA and Ray.
    No `nvidia-smi` is no card. One that fails, hangs or says what can't be read is no card either, with a
    warning and `problem` set: nothing is raised.
    """
    program = shutil.which("nvidia-smi", path=environment.get("PATH", ""))
    if program is None:
        return Detection()
    try:
        command = [program, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
        found, split = _cards(_run(command, environment, timeout_seconds))
        if split:
            devices = _mig_devices(_run([program, "-L"], environment, timeout_seconds), found)
            found = [card for card in found if card.index not in split] + devices
    except _Failed as failure:
        problem = f"Detecting NVIDIA cards failed, going on without: {failure}"
        log.warning("%s", problem)
        return Detection(problem=problem)
    found = _visible(sorted(found, key=lambda card: card.index), environment.get("CUDA_VISIBLE_DEVICES"))
    problem = None
    if silent := [card.name for card in found if card.total_bytes is None]:
        problem = f"The driver does not say how much memory it has: {', '.join(silent)}. Set profile to use it."
        log.warning("%s", problem)
    return Detection(tuple(found), problem)


def _run(command: Sequence[str], environment: Mapping[str, str], timeout_seconds: float) -> str:
    try:
        done = subprocess.run(
            command,
            env={**environment, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _Failed(f"nvidia-smi did not answer within {timeout_seconds:g} s") from None
    except OSError as error:
        raise _Failed(f"nvidia-smi can't be started: {error.strerror or error}") from None
    text = done.stdout.decode(errors="replace")
    if "No devices were found" in text:  # said with status 0 or 6, by version; it is an answer
        return ""
    if done.returncode != 0:
        said = (text + done.stderr.decode(errors="replace")).strip()
        raise _Failed(f"nvidia-smi ended with status {done.returncode}: {said[:200] or 'no output'}")
    return text


def _cards(text: str) -> tuple[list[Card], set[int]]:
    """The cards of the query's answer, and the indices of those that are split into MIG devices."""
    cards: list[Card] = []
    split: set[int] = set()
    for line in filter(None, map(str.strip, text.splitlines())):
        values = [value.strip() for value in line.split(",")]
        if len(values) < len(QUERY) or not re.fullmatch(r"[0-9]{1,4}", values[0]) or not values[1].startswith("GPU-"):
            raise _Failed(f"nvidia-smi said what can't be read: {line[:200]!r}")
        index = int(values[0])
        # Values are not quoted; only a name could hold a comma.
        total, used, driver, mig = values[-4:]
        cards.append(Card(index, values[1], ", ".join(values[2:-4]), driver, _bytes(total), _bytes(used)))
        if mig == "Enabled":
            split.add(index)
    return cards, split


def _bytes(mebibytes: str) -> int | None:
    """A memory field; None for [N/A], [Not Supported], [Insufficient Permissions], [Unknown Error], ERR!."""
    if re.fullmatch(r"[0-9]{1,9}", mebibytes):
        return int(mebibytes) * MEBIBYTE
    if mebibytes.startswith("[") or mebibytes in ("N/A", "ERR!"):
        return None
    raise _Failed(f"nvidia-smi said what can't be read: {mebibytes[:80]!r} as an amount of memory")


def _mig_devices(listing: str, cards: Sequence[Card]) -> list[Card]:
    """The MIG devices of `nvidia-smi -L`. Their size is the one in the name of their profile, such as 3g.20gb."""
    known = {card.index: card for card in cards}
    devices: list[Card] = []
    card: Card | None = None
    for line in listing.splitlines():
        if match := re.match(r"GPU (\d+):", line):
            card = known.get(int(match[1]))
        elif card and (match := re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (\S+)\)", line)):
            size = re.search(r"g\.(\d+)gb", match[1])
            total = int(size[1]) * GIBIBYTE if size else None
            devices.append(
                replace(card, uuid=match[2], name=f"{card.name} MIG {match[1]}", total_bytes=total, used_bytes=None)
            )
    return devices


def _visible(cards: Sequence[Card], chosen: str | None) -> list[Card]:
    """What CUDA_VISIBLE_DEVICES leaves: indices or starts of UUIDs; the first that fits none ends the list.

    CUDA programming guide, "CUDA environment variables".
    """
    if chosen is None:
        return list(cards)
    left: list[Card] = []
    for word in map(str.strip, chosen.split(",")):
        found = [card for card in cards if word and (str(card.index) == word or card.uuid.startswith(word))]
        if not found:
            break
        left += [card for card in found if card not in left]
    return left

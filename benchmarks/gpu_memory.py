"""What a model takes of a card, against what its row declares; kept in a server's footprint table where asked for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from deployments.backends.descriptor import Backend

GIGABYTE: Final = 2**30


def argument(parser: argparse.ArgumentParser) -> None:
    """`--footprints FOLDER`: the data folder of a server."""
    parser.add_argument("--footprints", type=Path, help="data folder of a server, whose footprint table is to know")


def taken(backend: Backend, folder: Path | None) -> dict[str, float]:
    """Figures by name, of this process up to now: what torch took of the card, and a context of CUDA's."""
    import torch

    from deployments.placement.berth import CONTEXT_BYTES

    reserved = torch.cuda.max_memory_reserved()
    if folder is not None:
        keep(backend, reserved + CONTEXT_BYTES, folder)
    return {
        "peak memory of tensors, GB": torch.cuda.max_memory_allocated() / GIGABYTE,
        "peak memory of a card, with a context, GB": (reserved + CONTEXT_BYTES) / GIGABYTE,
        "memory of a card that it declares, GB": backend.vram_gigabytes,
    }


def keep(backend: Backend, size: int, folder: Path) -> None:
    """Writes `size` bytes into the footprint table of a data folder, for the size and batch that settings have unless
    told otherwise. What is less than the table has changes nothing there."""
    from deployments.placement.footprints import Footprints, key, rounded
    from pipeline.settings import Settings

    Footprints(folder).learn({key(backend.deployment, Settings()): rounded(size)})


def used() -> int | None:
    """Bytes of the card that are in use, by whomever; None where the driver does not tell, or there are several."""
    from deployments.placement import gpus

    cards = gpus.cards()
    return cards[0].used_bytes if len(cards) == 1 else None

"""What a model takes of a card, against what its row declares; kept in a server's footprint table where asked for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployments.backends.descriptor import Backend
from deployments.placement.footprints import Footprints, key, rounded
from pipeline.profiles import PROFILES
from pipeline.settings import Settings

GIGABYTE: Final = 2**30


def argument(parser: argparse.ArgumentParser) -> None:
    """`--footprints FOLDER`: the data folder of a server."""
    parser.add_argument("--footprints", type=Path, help="data folder of a server, whose footprint table is to know")


def taken(backend: Backend, folder: Path | None) -> dict[str, float]:
    """Figures by name, of this process up to now: what torch took of the card, and a context of CUDA's.

    What it is kept for are all sizes and batches, of a backend that takes neither; of others see `at_each`.
    """
    import torch

    from deployments.placement.berth import CONTEXT_BYTES

    reserved = torch.cuda.max_memory_reserved()
    wanted = kinds(backend)
    if folder is not None and len(wanted) == 1:
        keep(backend, reserved + CONTEXT_BYTES, folder, wanted[0].settings)
    return {
        "peak memory of tensors, GB": torch.cuda.max_memory_allocated() / GIGABYTE,
        "peak memory of a card, with a context, GB": (reserved + CONTEXT_BYTES) / GIGABYTE,
        "memory of a card that it declares, GB": backend.vram_gigabytes,
    }


def at_each(backend: Backend, folder: Path | None, card: bool, work: Callable[..., object]) -> dict[str, float]:
    """What it takes at each size and batch that the hardware profiles set: `work(**options)` is done for each, and its
    seconds and, on a card, its peak memory are figures. Nothing without a folder to keep them in."""
    import torch

    from deployments.placement.berth import CONTEXT_BYTES

    figures: dict[str, float] = {}
    wanted = kinds(backend)
    for kind in wanted if folder is not None and len(wanted) > 1 else ():
        if card:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        work(**kind.options)
        at = ", ".join(f"{name} {value}" for name, value in kind.options.items())
        figures[f"done at {at}, s"] = time.perf_counter() - started
        if card and folder is not None:
            size = torch.cuda.max_memory_reserved() + CONTEXT_BYTES
            figures[f"peak memory of a card at {at}, GB"] = size / GIGABYTE
            keep(backend, size, folder, kind.settings)
    return figures


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of working that the footprint table tells apart."""

    options: Mapping[str, int]
    """Those of the backend that make the difference: image_size, batch, both, or none."""
    settings: tuple[Settings, ...]
    """All in which it works so."""


def kinds(backend: Backend) -> tuple[Kind, ...]:
    """What the settings' defaults and every hardware profile make of a backend: one for each size and batch that it
    takes, or one alone."""
    from deployments.backends import registry

    own = [option.name for option in registry.options(backend) if option.name in ("image_size", "batch")]
    found: dict[tuple[int, ...], list[Settings]] = {}
    for generation in ({}, *(profile["generation"] for profile in PROFILES.values())):
        chosen = {name: value for name, value in generation.items() if name in ("image_size", "batch")}
        settings = Settings.model_validate({"generation": chosen})
        found.setdefault(tuple(getattr(settings.generation, name) for name in own), []).append(settings)
    return tuple(Kind(dict(zip(own, values, strict=True)), tuple(those)) for values, those in sorted(found.items()))


def keep(backend: Backend, size: int, folder: Path, settings: Iterable[Settings]) -> None:
    """Writes `size` bytes into the footprint table of a data folder, for the size and batch of each of `settings`. What
    is less than the table has changes nothing there."""
    Footprints(folder).learn({key(backend.deployment, those): rounded(size) for those in settings})


def used() -> int | None:
    """Bytes of the card that are in use, by whomever; None where the driver does not tell, or there are several."""
    from deployments.placement import gpus

    cards = gpus.cards()
    return cards[0].used_bytes if len(cards) == 1 else None

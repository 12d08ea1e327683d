"""How much of a card a model reserves: the number that Ray places its replicas by."""

from __future__ import annotations

import math
from typing import Final

from pipeline.errors import SettingsError

SHARES: Final = 10_000
"""Ray counts shares of a card in ten-thousandths."""


def kept(shares: int) -> int:
    """The fewest ten-thousandths, `shares` at least, that Ray sets aside in full.

    Ray (2.60) multiplies the decimal number by 10,000 and cuts off the rest, so that of 0.7001 it sets aside 0.7000.
    """
    while int(shares / SHARES * SHARES) < shares:
        shares += 1
    return shares


def share(
    name: str,
    need_gigabytes: float,
    budget_gigabytes: float,
    margin_megabytes: int,
    less: tuple[str, float] | None = None,
) -> float:
    """`num_gpus` of one replica: its need over what a card's budget leaves after the safety margin.

    Rounded up to what Ray can set aside, so that the shares on a card never add up to more than it has. Raises
    `SettingsError` for a model that is larger than any card's budget, naming what would fit it; `less` is a setting
    and how many gigabytes it needs with that.
    """
    room = budget_gigabytes - margin_megabytes / 1024
    if need_gigabytes > room:
        otherwise = "another backend"
        if less is not None and less[1] <= room:
            otherwise = f"{less[0]} with which it needs {less[1]:g} GB and takes longer, or another backend"
        raise SettingsError(
            f"{name} needs {need_gigabytes:g} GB of a card and {room:g} GB are to be had on one.",
            code="model_too_large",
            field="gpu.budget_gigabytes",
            accepted=f"a budget of {need_gigabytes + margin_megabytes / 1024:g} GB or more, or {otherwise}",
        )
    return kept(math.ceil(need_gigabytes / room * SHARES)) / SHARES

"""What the scripts for a card say: where they run, what they could not run, and their figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import MissingWeights

SHOWS_THAT_IT_RUNS: Final = "the figures below only show that the script runs."


def machine(torch: Any) -> str:
    """The card, or that there is none, and torch's version."""
    return f"{torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'CPU'}, torch {torch.__version__}"


def head(where: str, what: str, card: bool, without: str = SHOWS_THAT_IT_RUNS) -> None:
    """The first lines; `without` says what the figures are worth where there is no card."""
    print(f"{where}, {what}")
    if not card:
        print(f"NOT RUN: anything about a card. There is none; {without}")


def show(figures: Mapping[str, float], of: str = "") -> None:
    """Figures by name, a line each."""
    for figure, value in figures.items():
        print(f"{of + figure:<60}{value:>12.3f}")


def published(name: str) -> str | None:
    """The folder of a published model; None where it is not on this machine, which is said."""
    from deployments.backends.published.location import located

    try:
        return str(located(name))
    except MissingWeights as error:
        print(f"NOT RUN: {name} with its published weights. {error.message}")
        return None

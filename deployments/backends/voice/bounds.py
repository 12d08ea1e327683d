"""Options of a voice that are numbers: whether they are within what is accepted."""

from __future__ import annotations


def within(name: str, value: float, lowest: float, highest: float) -> None:
    """Raises `ValueError`, naming the option and what is accepted."""
    if not lowest <= value <= highest:
        raise ValueError(f"{name} is {value}; {lowest:g} to {highest:g} are accepted")

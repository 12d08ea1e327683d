"""Wall time of work that a card does while Python goes on, and how quick the card could be."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


def timed(torch: Any, stage: Callable[[], object], card: bool, runs: int, warm: int) -> float:
    """Wall seconds of one run among so many in a row, after `warm` to get warm; without a card, of one single run."""
    for _ in range(warm if card else 0):
        stage()
    runs = runs if card else 1
    if card:
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(runs):
        stage()
    if card:
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / runs


@contextmanager
def watched(torch: Any, owner: Any, method: str, card: bool) -> Generator[list[float]]:
    """Wall seconds of each call of a method within it. The card is waited for after each, so that the whole is slower
    than without."""
    original, spent = getattr(owner, method), list[float]()

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = original(*arguments, **named)
        if card:
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - started)
        return result

    setattr(owner, method, call)
    try:
        yield spent
    finally:
        setattr(owner, method, original)


def flop(work: Callable[[], object]) -> float:
    """FLOP of all that torch computes in it; a multiplication with its addition counts two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def arithmetic(owner: Any, method: str, work: Callable[[], object]) -> float:
    """FLOP of the first call of a method while `work` runs."""
    original, counted = getattr(owner, method), list[float]()

    def call(*arguments: Any, **named: Any) -> Any:
        if counted:
            return original(*arguments, **named)
        result = list[Any]()
        counted.append(flop(lambda: result.append(original(*arguments, **named))))
        return result[0]

    setattr(owner, method, call)
    try:
        work()
    finally:
        setattr(owner, method, original)
    return counted[0]


def matrix_rate(torch: Any, dtype: Any) -> float:
    """TFLOP/s of large matrix products on the card, the most that a network could reach."""
    side = 8192
    a, b = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
    return 2 * side**3 / timed(torch, lambda: a @ b, True, 10, 2) / 1e12

"""What computes leaves the cores to what only passes something on."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from deployments.model import LAST, Model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is that of a whole process")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


class Probe:
    def asked(self) -> int:
        return niceness()

    def told(self) -> Iterator[int]:
        yield niceness()


@pytest.mark.parametrize("in_a_replica", [True, False])
def test_threads_that_compute_are_nice_and_the_event_loop_is_not(in_a_replica: bool) -> None:
    model = Model("avatar", "procedural", {}, at_once=in_a_replica)
    model.__dict__["_backend"] = Probe()
    before = niceness()

    async def used() -> tuple[int, int, int]:
        asked, _ = await model.call("asked")
        told = [item async for item in model.stream("told")]
        return asked, told[0], niceness()

    # In a process of the user's own, which does the rest of the work too, nothing changes.
    expected = LAST if in_a_replica else before
    assert asyncio.run(used()) == (expected, expected, before)

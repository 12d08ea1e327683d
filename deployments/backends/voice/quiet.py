"""Libraries that log what is no news to anybody."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def hushed(logger: str, below: int) -> Generator[None]:
    """Without what this logger has to say below that level."""
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(below)
    try:
        yield
    finally:
        log.setLevel(before)

"""What coqui-tts says and raises while it builds a network and while that speaks."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

UNBUILDABLE: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
    pickle.UnpicklingError,
)
"""What it raises at a configuration that makes no network, and at lists of names that can't be read."""


@contextmanager
def quiet() -> Generator[None]:
    """Without what it logs: each text that has a character which the model does not know, and guesses about
    configurations that are ours to make."""
    log = logging.getLogger("TTS")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)

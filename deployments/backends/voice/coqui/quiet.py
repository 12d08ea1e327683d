"""What coqui-tts says and raises while it builds a network and while that speaks."""

from __future__ import annotations

import logging
import pickle
from contextlib import AbstractContextManager
from typing import Final

from deployments.backends.voice.quiet import hushed

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


def quiet() -> AbstractContextManager[None]:
    """Without what it logs: each text that has a character which the model does not know, and guesses about
    configurations that are ours to make."""
    return hushed("TTS", logging.CRITICAL)

"""How long a client goes on asking a server that is busy, away or being restarted."""

from __future__ import annotations

import logging
import time
from typing import Final

from pipeline.errors import MouthpieceError

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
NOTED: Final = 5.0
"""Seconds from which on a pause is worth a warning, once an outage; the rest is logged for whoever looks closely."""

log = logging.getLogger("mouthpiece.client")


class Patience:
    """`seconds` of waiting in all: pauses that double up to five seconds, or as long as the server asks for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """The server is back: the next outage has the whole time again."""
        self._left = self._seconds
        self._pause = FIRST_PAUSE
        self._warned = False

    def wait(self, error: MouthpieceError) -> None:
        """Pauses before another try. Raises `error` where the pause would be longer than what is left."""
        pause = self._pause if error.retry_after is None else max(error.retry_after, FIRST_PAUSE)
        if pause > self._left:
            raise error
        if pause >= NOTED and not self._warned:
            log.warning("%s Trying again for up to %.0f s.", error.message, self._left)
            self._warned = True
        else:
            log.info("%s Trying again in %.1f s.", error.message, pause)
        time.sleep(pause)
        self._left -= pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

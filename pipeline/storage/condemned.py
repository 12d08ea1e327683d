"""Condemned objects: how one is removed from a bucket only if nobody has made it new, where the server can't."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from pipeline.storage.bucket_failures import Absent, Exists
from pipeline.storage.bucket_objects import BucketObjects

_DEAD_SECONDS = 300
"""Longer than any request that boto3 still waits for."""
_POLL_SECONDS = 0.05


class Condemned:
    """Marks on what is being removed, as objects of their own.

    Who removes marks first and looks at the artifact's age then; who renews, renews first and looks for a mark then.
    Whichever comes first, one of them sees the other (Dekker's argument; S3 is consistent for reads after writes):
    either the artifact is found new and left alone, or the mark is found and waited for.

    A mark outlives its process by 300 seconds. A process that is stopped for longer between its look and its
    removal is what this can't guard against.
    """

    def __init__(self, objects: BucketObjects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    @contextmanager
    def marked(self, name: str) -> Generator[bool]:
        """Whether the mark is ours; if not, somebody else is removing it."""
        key = self._prefix + name
        try:
            self._objects.put(key, b"", new=True)
        except Exists:
            self._standing(key)
            yield False
            return
        try:
            yield True
        finally:
            self._objects.delete(key)

    def wait(self, name: str) -> None:
        """Returns once nobody is removing it who may not have seen that it is new."""
        while self._standing(self._prefix + name):
            time.sleep(_POLL_SECONDS)

    def _standing(self, key: str) -> bool:
        """Whether there is a mark of a living process; that of a dead one is taken away."""
        try:
            if self._objects.age(key) < _DEAD_SECONDS:
                return True
        except Absent:
            return False
        self._objects.delete(key)
        return False

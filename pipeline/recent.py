"""A small memory of what was just computed, by the digest of what it was computed from."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Keeps the results used last, as many as weigh `capacity` together: a number, or bytes where they are large.

    Not for several threads at once.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._weight = 0

    @staticmethod
    def key(*parts: bytes) -> str:
        """Digest of the inputs; parts can't run into each other."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()

    def get(self, key: str) -> T | None:
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key][0]

    def put(self, key: str, value: T, weight: int = 1) -> None:
        if key in self._items:
            self._weight -= self._items.pop(key)[1]
        self._items[key] = (value, weight)
        self._weight += weight
        while self._weight > self._capacity:
            self._weight -= self._items.popitem(last=False)[1][1]

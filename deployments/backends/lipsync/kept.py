"""What lip-sync backends make ready of a portrait, kept for the next clip of the same avatar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from pipeline.contracts import AnimationRequest
from pipeline.recent import Recent

T = TypeVar("T")


class Kept(Generic[T]):
    """The avatars used last, `most` of them, each made ready by `make` once.

    `make` may look at nothing of a request but its portrait, its face and its size. Not for several threads at once.
    """

    def __init__(self, make: Callable[[AnimationRequest], T], most: int) -> None:
        """Raises `ValueError` for a `most` below 1."""
        if most < 1:
            raise ValueError(f"avatars is {most}, not at least 1")
        self._make = make
        self._recent: Recent[T] = Recent(most)

    def of(self, request: AnimationRequest) -> T:
        """The request's avatar, made ready or as it was kept. Raises what `make` raises; nothing is kept then."""
        name = key(request)
        found = self._recent.get(name)
        if found is None:
            found = self._make(request)
            self._recent.put(name, found)
        return found


def key(request: AnimationRequest) -> str:
    """The same for requests that have the same avatar: by the digest of its portrait where that is told, which takes no
    time however large it is, or else by its content."""
    size = str(request.size).encode()
    if request.portrait_digest:
        return Recent.key(size, request.portrait_digest.encode())
    face = request.face
    parts = [size]
    for array in (request.portrait, face.landmarks, np.array([*face.box, *face.crop], np.float64)):
        parts += [f"{array.shape}{array.dtype}".encode(), array.tobytes()]
    return Recent.key(*parts)

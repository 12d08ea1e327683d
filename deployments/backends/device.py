"""The card as a backend sees it: where its weights and its work go, and how much of them there may be.

A replica opens the device before it builds its backend, so a backend's constructor finds it here:

    card = device.current()
    weights = {name: card.place(array) for name, array in weights.items()}

A process holds one model, so it has one device.
"""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, Protocol, cast

import numpy as np

GRANULE: Final = 2 << 20
"""Bytes that CUDA's allocator takes from the card at once, at least (PyTorch, CUDA caching allocator)."""


class OutOfMemory(Exception):
    """A model asked for more of the card than its process may have."""

    def __init__(self, requested: int, taken: int, limit: int) -> None:
        super().__init__(f"{requested} bytes more than the {taken} taken, of {limit}")
        self.requested = requested
        self.taken = taken
        self.limit = limit

    @property
    def need(self) -> int:
        """Bytes that would have been enough to come this far."""
        return self.taken + self.requested


class Device(Protocol):
    """A card, or the part of one that a process may use. Sizes in bytes."""

    @property
    def name(self) -> str:
        """As torch has it: cuda:0, cpu."""
        ...

    @property
    def limit(self) -> int | None:
        """The most this process may take; None for as much as there is."""
        ...

    @property
    def peak(self) -> int:
        """The most it has taken so far."""
        ...

    @property
    def free(self) -> int | None:
        """What is left of the limit now; None where there is none."""
        ...

    def place(self, array: np.ndarray) -> Any:
        """A copy on the card; it goes with the last reference to it. Raises `OutOfMemory`, or what the card's own
        library raises."""
        ...

    def shortage(self, error: BaseException) -> OutOfMemory | None:
        """Whether an error that a backend raised says that the card's memory did not suffice."""
        ...


class Host:
    """No card: everything stays where it is."""

    name = "cpu"
    limit: int | None = None
    peak = 0
    free: int | None = None

    def place(self, array: np.ndarray) -> np.ndarray:
        return array

    def shortage(self, error: BaseException) -> OutOfMemory | None:
        return error if isinstance(error, OutOfMemory) else None


class Logical:
    """A card that is only counted, for machines that have none: copies lie in host memory, the limit is kept."""

    name = "cpu"

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._lock = Lock()
        self._taken = 0
        self.peak = 0

    @property
    def free(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self._taken)

    def place(self, array: np.ndarray) -> np.ndarray:
        self._take(array.nbytes)
        try:
            copy = np.array(array)
        except BaseException:
            self._give(array.nbytes)
            raise
        weakref.finalize(copy, self._give, array.nbytes)
        return copy

    @contextmanager
    def working(self, size: int) -> Generator[None]:
        """Memory that a computation takes while it runs: counted, and given back."""
        self._take(size)
        try:
            yield
        finally:
            self._give(size)

    def shortage(self, error: BaseException) -> OutOfMemory | None:
        return error if isinstance(error, OutOfMemory) else None

    def _take(self, size: int) -> None:
        with self._lock:
            if self.limit is not None and self._taken + size > self.limit:
                raise OutOfMemory(size, self._taken, self.limit)
            self._taken += size
            self.peak = max(self.peak, self._taken)

    def _give(self, size: int) -> None:
        with self._lock:
            self._taken -= size


class Cuda:
    """The card that Ray has given this process, capped. Creating it creates the CUDA context.

    `context` is what a process takes of a card besides what torch allocates: the context, the libraries' kernels. It
    counts against the limit. torch's own cap (`set_per_process_memory_fraction`) makes its allocator raise at the
    limit, so that a model that grows fails by itself and not its neighbour.
    """

    name = "cuda:0"

    def __init__(self, limit: int | None, context: int) -> None:
        torch = self._torch = cast(Any, importlib.import_module("torch"))
        self._context = context
        self._requested = 0
        self.limit = limit
        torch.cuda.init()
        if limit is not None:
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, max(0, limit - context) / total), 0)
        # Says how much was asked for when the cap was hit; the exception says it in prose only.
        watch = getattr(torch._C, "_cuda_attachOutOfMemoryObserver", None)
        if watch is not None:
            watch(self._observe)

    def _observe(self, _device: int, requested: int, _allocated: int, _free: int) -> None:
        self._requested = requested

    @property
    def peak(self) -> int:
        return self._context + self._torch.cuda.max_memory_reserved(0)

    @property
    def free(self) -> int | None:
        # What the allocator has reserved and not given out can be had.
        taken = self._context + self._torch.cuda.memory_allocated(0)
        return None if self.limit is None else max(0, self.limit - taken)

    def place(self, array: np.ndarray) -> Any:
        return self._torch.from_numpy(array).to(self.name, non_blocking=False)

    def shortage(self, error: BaseException) -> OutOfMemory | None:
        if not isinstance(error, self._torch.cuda.OutOfMemoryError):
            return None
        requested = max(self._requested, GRANULE)
        taken = self._context + self._torch.cuda.memory_reserved(0)
        return OutOfMemory(requested, taken, self.limit or taken)


_current: Device = Host()


def current() -> Device:
    """The device of this process."""
    return _current


def use(device: Device) -> None:
    """Makes it the device of this process; called once, before the backend is built."""
    global _current
    _current = device

"""A model's weights as arrays, from a safetensors file: read once per node, in parallel, shared by all processes.

The file is mapped into memory. Its pages are the operating system's cache of it, of which there is one per node, so
the second process that opens a file copies nothing and waits for no disk. Format: 8 bytes little-endian length of the
header, the header as JSON, the tensors (github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np

from deployments.backends.device import Device
from pipeline.errors import Damaged

_LIBC: Final = ctypes.CDLL(None, use_errno=True)  # its calls let other threads run, those of mmap do not

DTYPES: Final = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
"""BF16 has no type in numpy: its bits, to be viewed as what they are by the backend's own library."""

HEADER_LIMIT: Final = 100_000_000
"""Bytes; the limit of the format."""

PIECE: Final = 32 << 20
"""Bytes that one thread reads at once: whole pages."""

POPULATE_READ: Final = 22
"""MADV_POPULATE_READ of Linux 5.14 (madvise(2)): pages are read and mapped, and nothing is copied."""

COPIES: Final = 2
"""Tensors copied at the same time: memory is faster than one processor that copies."""

THREADS: Final = 8
"""Reads under way at the same time: what a solid-state disk and most network storage need to be fast."""


def read_ahead(path: Path, threads: int = THREADS) -> int:
    """Has a file of any kind in the operating system's cache, read by so many threads; returns its bytes. A library
    that maps it afterwards, and would have the disk wait for each page, finds all of it in memory. Costs a hundredth
    of a second for a gigabyte that is there already. Raises OSError."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return 0
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
            return _populate(pages, path, threads)


def _populate(pages: mmap.mmap, path: Path, threads: int) -> int:
    size, begins = len(pages), range(0, len(pages), PIECE)
    start = np.frombuffer(pages, np.uint8).ctypes.data

    def pull(begin: int) -> int:
        piece = min(PIECE, size - begin)
        if _LIBC.madvise(ctypes.c_void_p(start + begin), ctypes.c_size_t(piece), POPULATE_READ) == 0:
            return piece
        if ctypes.get_errno() != errno.EINVAL:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
        return len(pages[begin : begin + piece])  # Linux before 5.14: touched instead

    with ThreadPoolExecutor(threads, thread_name_prefix="weights") as pool:
        return sum(pool.map(pull, begins))


class Weights(Mapping[str, np.ndarray]):
    """The tensors of one file by name, as read-only arrays on the mapped pages. Close it, or let the last array go.

    Raises `Damaged` for a file that is no whole safetensors file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.size = os.fstat(file.fileno()).st_size
            if self.size < 8:
                raise self._damaged("it is too short")
            self._map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        length = int.from_bytes(self._map[:8], "little")
        if length > min(HEADER_LIMIT, self.size - 8):
            raise self._damaged("its header is longer than the file")
        try:
            header = json.loads(self._map[8 : 8 + length])
        except ValueError:
            raise self._damaged("its header can't be read") from None
        self._begin = 8 + length
        self._entries: dict[str, Any] = {name: entry for name, entry in header.items() if name != "__metadata__"}
        for name, entry in self._entries.items():
            self._check(name, entry)

    def _check(self, name: str, entry: Any) -> None:
        try:
            kind, (begin, end) = DTYPES[entry["dtype"]], entry["data_offsets"]
            size = int(np.prod(entry["shape"], dtype=np.int64)) * np.dtype(kind).itemsize
        except (KeyError, TypeError, ValueError):
            raise self._damaged(f"the entry of {name!r} can't be read") from None
        if not 0 <= begin <= end <= self.size - self._begin or end - begin != size:
            raise self._damaged(f"{name!r} lies outside the file or has another size than its shape")

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        begin, end = entry["data_offsets"]
        kind = DTYPES[entry["dtype"]]
        count = (end - begin) // np.dtype(kind).itemsize
        found = np.frombuffer(self._map, kind, count, self._begin + begin)
        return found.reshape(entry["shape"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def dtype(self, name: str) -> str:
        """As the file says: BF16, F16, ..."""
        return self._entries[name]["dtype"]

    def read(self, threads: int = THREADS) -> int:
        """Has the whole file in memory and mapped, read by so many threads; returns its bytes. Costs next to nothing
        where it is there already."""
        return _populate(self._map, self.path, threads)

    def place(self, card: Device, threads: int = COPIES) -> dict[str, Any]:
        """Every tensor on the card, by name. The whole file is read first. Raises what `card.place` raises."""
        self.read()
        with ThreadPoolExecutor(threads, thread_name_prefix="weights") as pool:
            return dict(zip(self, pool.map(lambda name: card.place(self[name]), self), strict=True))

    def _damaged(self, what: str) -> Damaged:
        return Damaged(f"{self.path} is no usable safetensors file: {what}.", code="damaged_weights")

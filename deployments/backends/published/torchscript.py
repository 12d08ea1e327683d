"""The tensors of a TorchScript archive, read without running or compiling the code that it carries.

`torch.jit.load` compiles the archive's source and runs what its classes do when they are restored, with all that the
operators can do, files among it; torch's own advice (SECURITY.md) is to treat such a file as a program. The tensors
don't need it. An archive is a zip with `data.pkl`, where each module is an object with its attributes as state, and
`data/<key>` with the bytes of each storage (torch/csrc/jit/docs/serialization.md). The pickle is read by an unpickler
that knows how to build a tensor, and makes of every class of the archive an object that only holds what it is given.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch


class Unreadable(Exception):
    """The archive is cut off or holds what no module's attributes are made of."""


class _Module:
    """A module of the archive: its attributes, and nothing of what it does."""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def is_archive(path: Path) -> bool:
    """Whether a zip file is a TorchScript archive rather than what `torch.save` writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(_MARK) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Its tensors by the names that `torch.jit.load(path).state_dict()` would give them. Raises `Unreadable`.

    Tensors that are plain attributes, neither parameter nor buffer, are among them: the archive tells them apart only
    in its code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = _Reader(archive).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError) as error:
        raise Unreadable(f"its TorchScript archive can't be read: {error}") from error
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        # What building a tensor from a wrong description comes to, and what a pickle does that was cut off.
        raise Unreadable(f"its TorchScript archive makes no sense: {type(error).__name__}: {error}") from error
    return dict(_walk(root, "", frozenset()))


class _Reader(pickle.Unpickler):
    """Builds modules and tensors, and knows no other name. Raises `pickle.UnpicklingError` for one."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._root = next(name.removesuffix("constants.pkl") for name in archive.namelist() if name.endswith(_MARK))
        self._storages: dict[str, torch.Tensor] = {}
        super().__init__(io.BytesIO(archive.read(f"{self._root}data.pkl")))

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _Module
        if (module, name) in _BUILDERS:
            return _BUILDERS[module, name]
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a network's weights")

    def persistent_load(self, pid: Any) -> torch.Tensor:
        """The elements of a storage as one row. `pid`: "storage", its type, its key, its device, how many."""
        import torch

        _, kind, key, _, count = pid
        if key not in self._storages:
            dtype: torch.dtype = getattr(torch, kind)
            held = bytearray(self._archive.read(f"{self._root}data/{key}"))
            self._storages[key] = (
                torch.frombuffer(held, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)
            )
        return self._storages[key]


def _tensor(storage: torch.Tensor, offset: int, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _itself(value: Any, *_: Any) -> Any:
    return value


_MARK: Final = "/constants.pkl"

_BUILDERS: Final[Mapping[tuple[str, str], Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _itself,
    ("torch.jit._pickle", "restore_type_tag"): _itself,
    **{("torch.jit._pickle", f"build_{kind}list"): _itself for kind in ("tensor", "int", "double", "bool")},
    ("collections", "OrderedDict"): OrderedDict,
}
"""What the pickle of a module's attributes may call."""

_STORAGES: Final[Mapping[str, str]] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
"""Types of storages, by their names in the archive and in torch."""


def _walk(module: Any, prefix: str, above: frozenset[int]) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    if id(module) in above:  # a pickle can hold itself
        return
    for name, value in module.attributes.items():
        if isinstance(value, torch.Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _walk(value, f"{prefix}{name}.", above | {id(module)})

"""The tensors of a published file by name, read so that nothing in the file is ever executed.

A safetensors file holds tensors and nothing else. A pickle is a program: it is run by torch with `weights_only=True`,
which knows how to build tensors and refuses everything else. A TorchScript archive carries the network's own code,
which `torch.jit.load` would compile and may run; here only its tensors are read (`torchscript.py`).

torch refuses the tar archives of its versions before 0.4 even when they hold tensors alone. Such a file is unpickled
only if its SHA-256 is in `EXCEPTIONS`, over the very bytes that are then read.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deployments.backends.published import torchscript
from deployments.backends.published.catalogue import owner
from deployments.backends.weights import read_ahead
from pipeline.errors import Damaged

if TYPE_CHECKING:
    import torch

EXCEPTIONS: Final[Mapping[str, str]] = {
    "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567": (
        "79999_iter.pth of face-parsing-bisenet, of 2019: reported to be refused by weights_only; published for years, "
        "with one hash on every mirror"
    ),
}
"""SHA-256 of a file that may be unpickled whole if torch's safe reader refuses it, and why."""

INSIDE: Final = ("state_dict", "params_ema", "params", "model")
"""Where training programs put the network's tensors in what they save; the first of these that is there."""


_UNREADABLE: Final = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
)
"""What unpickling comes to, without running anything, where a file was cut off or changed somewhere."""


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of `read_saved` alone."""
    return read_saved(path)[0]


def read_saved(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    """Every tensor of the network in a file, on the CPU, in the file's own types, large files mapped into memory, which
    have been read there in parallel; and what a training program put beside the network by name, such as a count of
    steps, which is nothing where the file holds tensors alone.

    What a training program wrapped around them is taken off: `INSIDE`, and a prefix `module.` where all names have it.
    Raises `Damaged`, code damaged_weights, for a file that is cut off, is none of the known formats, or holds a pickle
    that does more than build tensors (code unsafe_weights); `accepted` is the command that mends it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
        read_ahead(path)
    except OSError as error:
        raise _damaged(path, f"it can't be read: {error.strerror}") from error
    if start[8:9] == b"{":
        return _safetensors(path), {}
    if start[:4] == b"PK\x03\x04":
        if torchscript.is_archive(path):
            return _named(path, _script(path))
        return _named(path, _pickle(path, mapped=True))
    return _named(path, _pickle(path, mapped=False))


def fill(network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Puts the tensors of a file into a network that must have just these. Raises `Damaged` listing what differs."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wrong = [f"no {name}" for name in wanted if name not in found]
    wrong += [f"{name} that the network has not" for name in found if name not in wanted]
    wrong += [
        f"{name} of {found[name]} for {wanted[name]}"
        for name in wanted
        if found.get(name, wanted[name]) != wanted[name]
    ]
    if wrong:
        more = f" and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise _damaged(path, f"it does not fit the network: {'; '.join(wrong[:8])}{more}")
    network.load_state_dict(dict(tensors), strict=True, assign=False)


def _safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise _damaged(path, f"it is no whole safetensors file: {error}") from error


def _script(path: Path) -> Any:
    try:
        return torchscript.tensors(path)
    except torchscript.Unreadable as error:
        raise _damaged(path, str(error)) from error


def _pickle(path: Path, *, mapped: bool) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            # A newer protocol of pickle is either understood or refused; torch warns that it may be the latter.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except _UNREADABLE as error:
        if (known := _exception(path)) is not None:
            return torch.load(known, map_location="cpu", weights_only=False)
        if isinstance(error, pickle.UnpicklingError) and "Weights only load failed" in str(error):
            raise _refused(path, error) from error
        if "legacy .tar format" in str(error):
            raise _refused(path, error) from error
        raise _damaged(path, f"it is no whole file of torch: {_first_line(error)}") from error


def _exception(path: Path) -> io.BytesIO | None:
    """The bytes of a file that is known by its hash; None for any other."""
    held = path.read_bytes() if path.stat().st_size < 1 << 30 else b""
    return io.BytesIO(held) if hashlib.sha256(held).hexdigest() in EXCEPTIONS else None


def _named(path: Path, found: Any) -> tuple[dict[str, torch.Tensor], Mapping[str, Any]]:
    import torch

    beside: Mapping[str, Any] = {}
    for key in INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            beside = {str(name): value for name, value in found.items() if name != key}
            found = found[key]
            break
    if isinstance(found, Mapping):
        tensors = {str(name): value for name, value in found.items() if isinstance(value, torch.Tensor)}
        if tensors and all(name.startswith("module.") for name in tensors):
            tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
        if tensors:
            return tensors, beside
    raise _damaged(path, "it holds no tensors by name")


def _damaged(path: Path, what: str) -> Damaged:
    model = owner(path.absolute())
    mending = model.command if model else "the file as it was published"
    return Damaged(f"{path} can't be used: {what}.", code="damaged_weights", accepted=mending)


def _refused(path: Path, error: Exception) -> Damaged:
    model = owner(path.absolute())
    return Damaged(
        f"{path} is damaged, or a pickle that does more than hold tensors; it was not run: {_first_line(error)}",
        code="unsafe_weights",
        accepted=model.command if model else "the same weights as safetensors",
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Unsupported" in line or "GLOBAL" in line]
    return (told or lines or [type(error).__name__])[0].partition(" Please use")[0][:300]

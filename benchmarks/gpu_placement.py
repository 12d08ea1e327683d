"""What a real card costs: context, copy, release, the cap, and a model parked in host memory and back. Needs torch.

    python -m benchmarks.gpu_placement [--gigabytes 5]

No Ray. Each figure that needs a fresh process gets one. Prints one table, median and worst of the runs, and what comes
of it for the choice between ending a process and parking its model (docs/placement.md).
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save_file

from benchmarks.gpu_memory import used
from deployments.backends.weights import Weights

GIGABYTE: Final = 2**30
TENSORS: Final = 64
"""A model is many tensors, and each is copied by itself."""

HOLD: Final = "hold"
CONTEXT: Final = "CUDA context and first tensor, s"
KEPT: Final = "memory of the context, GB"
FIRST: Final = "first convolution and matrix product, s"
MAPPED: Final = "mapped file to card, s"
GONE: Final = "a killed process's memory free again, s"
GIVEN_BACK: Final = ": memory given back to the driver, s"
UNPARK: Final = " to card again (un-park), s"
AGAIN, RELEASED = f"pinned{UNPARK}", f"pinned{GIVEN_BACK}"
"""Figures that the choice at the end is made of."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=5.0, help="size of the model")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    size = round(arguments.gigabytes * GIGABYTE)
    if arguments.one == HOLD:
        hold(size)
        return
    if arguments.one:
        print(json.dumps(FRESH[arguments.one](size)))
        return
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        sys.exit("benchmarks.gpu_placement needs torch, which is not installed.")
    if not torch.cuda.is_available():
        sys.exit("benchmarks.gpu_placement needs an NVIDIA card, and torch finds none.")
    print(f"{torch.cuda.get_device_name(0)}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    rows: dict[str, list[float]] = {}
    for _ in range(arguments.runs):
        for name in FRESH:
            found = subprocess.run(_command(name, size), check=True, capture_output=True, text=True).stdout
            for figure, value in json.loads(found.splitlines()[-1]).items():
                rows.setdefault(figure, []).append(value)
    print(f"{'figure':<58}{'median':>10}{'worst':>10}")
    for figure, values in rows.items():
        print(f"{figure:<58}{statistics.median(values):>10.3f}{max(values):>10.3f}")
    _choice({figure: statistics.median(values) for figure, values in rows.items()})


def _choice(figures: Mapping[str, float]) -> None:
    """What brings a model back, from the figures: where a process is ended and another one forked that has everything
    imported, and where a parked one goes on. Neither has Ray's part, which `benchmarks.placement` measures."""
    ended = figures[CONTEXT] + figures[FIRST] + figures[MAPPED]
    print(f"\nback in a new process: context, first use and copy of a mapped file: {ended:.2f} s")
    print(f"back in a parked process: {figures[AGAIN]:.2f} s, and besides its memory of the host it keeps ", end="")
    print(f"{figures[KEPT]:.2f} GB of the card while parked" if KEPT in figures else "its context on the card")
    print(f"room for the next one: {figures[GONE]:.2f} s after a kill, {figures[RELEASED]:.2f} s after parking")


def process(_size: int) -> dict[str, float]:
    """From nothing to a usable card, and what that takes of it while nobody else comes or goes."""
    before = used()
    started = time.perf_counter()
    torch: Any = importlib.import_module("torch")

    imported = time.perf_counter()
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    ready = time.perf_counter()
    free, total = torch.cuda.mem_get_info()
    figures = {"import torch, s": imported - started, CONTEXT: ready - imported}
    if before is not None:
        figures[KEPT] = (total - free - before - torch.cuda.memory_reserved()) / GIGABYTE

    def use() -> Any:
        """What loads the libraries of a network's first run."""
        picture = torch.ones(1, 8, 64, 64, device="cuda")
        return torch.nn.functional.conv2d(picture, torch.ones(8, 8, 3, 3, device="cuda")).flatten(1) @ torch.ones(
            8 * 62 * 62, 8, device="cuda"
        )

    _, figures[FIRST] = _timed(torch, use)
    _, figures["the same again, s"] = _timed(torch, use)
    return figures


def forked(_size: int) -> dict[str, float]:
    """A worker forked from a process that has the libraries imported, as `deployments/forking` makes it."""
    from deployments.backends.built_in import BACKENDS
    from deployments.forking.zygote import CUDA, FOR_IMPORTS, holds

    os.environ |= FOR_IMPORTS
    started = time.perf_counter()
    for module in dict.fromkeys(module for row in BACKENDS for module in row.imports):
        with suppress(ImportError):
            importlib.import_module(module)
    imported = time.perf_counter() - started
    reader, writer = os.pipe()
    begun = time.perf_counter()
    if os.fork() == 0:
        # Whatever happens in the fork, it ends here.
        try:
            torch: Any = importlib.import_module("torch")
            torch.zeros(1, device="cuda")
            torch.cuda.synchronize()
            os.write(writer, b"1")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        works = told.read() == b"1"
    return {
        "import of all models' libraries, s": imported,
        "and CUDA is not open then (1 is yes)": float(not holds(CUDA)),
        "a fork of it can use the card (1 is yes)": float(works),
        "fork, context and first tensor, s": time.perf_counter() - begun,
    }


def copies(size: int) -> dict[str, float]:
    """A model from host memory to the card and away again, pageable and pinned."""
    torch: Any = importlib.import_module("torch")

    torch.zeros(1, device="cuda")
    figures: dict[str, float] = {}
    for kind in ("pageable", "pinned"):
        host = _host(torch, size, pinned=kind == "pinned")
        placed, seconds = _timed(torch, lambda host=host: [tensor.to("cuda", non_blocking=True) for tensor in host])
        figures[f"{kind} to card, first time, s"] = seconds
        del placed
        _, figures[f"{kind}{GIVEN_BACK}"] = _timed(torch, torch.cuda.empty_cache)
        placed, seconds = _timed(torch, lambda host=host: [tensor.to("cuda", non_blocking=True) for tensor in host])
        figures[f"{kind}{UNPARK}"] = seconds
        figures[f"{kind} to card again, GB/s"] = size / GIGABYTE / seconds
        del placed, host
        torch.cuda.empty_cache()
    _, figures["pinning host memory, s"] = _timed(torch, lambda: _host(torch, size, pinned=True))
    return figures


def mapped(size: int) -> dict[str, float]:
    """A model from a file that the operating system has in memory, mapped as replicas map it, to the card."""
    torch: Any = importlib.import_module("torch")

    from deployments.backends import device

    card = device.Cuda(None, 0)
    torch.zeros(1, device="cuda")
    with tempfile.TemporaryDirectory(prefix="mouthpiece-gpu-") as folder:
        path = Path(folder) / "model.safetensors"
        save_file({f"layer.{i}": np.full(size // TENSORS, 1, np.uint8) for i in range(TENSORS)}, path)
        weights = Weights(path)
        _, read = _timed(torch, weights.read)
        placed, seconds = _timed(torch, partial(weights.place, card))
        del placed
    return {"mapped file, mapped and read from memory, s": read, MAPPED: seconds}


def killed(size: int) -> dict[str, float]:
    """From the end of a process that holds a model until the driver has all of its memory again."""
    torch: Any = importlib.import_module("torch")

    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    free, _ = torch.cuda.mem_get_info()
    with subprocess.Popen(_command(HOLD, size), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        if holder.stdout is None or not holder.stdout.readline():
            raise RuntimeError("the process that was to hold a model has ended")
        started = time.perf_counter()
        holder.kill()
        while torch.cuda.mem_get_info()[0] < free - (32 << 20):
            if time.perf_counter() - started > 60:
                raise RuntimeError("the memory of a killed process did not come back within a minute")
            time.sleep(0.001)
        seconds = time.perf_counter() - started
    return {GONE: seconds}


def hold(size: int) -> None:
    """Holds a model on the card until somebody kills this process, or has closed its input."""
    torch: Any = importlib.import_module("torch")

    placed = [tensor.to("cuda") for tensor in _host(torch, size, pinned=False)]
    torch.cuda.synchronize()
    print(len(placed), flush=True)
    sys.stdin.read()


def parked(size: int) -> dict[str, float]:
    """Two models that take turns in one process each on the way that `placement` would park them: the one's weights
    stay pinned in host memory, its card memory goes back to the driver, and the other's comes."""
    torch: Any = importlib.import_module("torch")

    torch.zeros(1, device="cuda")
    first, second = (_host(torch, size, pinned=True) for _ in range(2))
    placed = [tensor.to("cuda", non_blocking=True) for tensor in first]
    torch.cuda.synchronize()

    def swap() -> list[Any]:
        placed.clear()
        torch.cuda.empty_cache()
        return [tensor.to("cuda", non_blocking=True) for tensor in second]

    _, seconds = _timed(torch, swap)
    return {"park one, un-park another, s": seconds}


def capped(size: int) -> dict[str, float]:
    """Whether the cap holds: 1 where asking for more than it raises torch's own error, and asking for less works."""
    torch: Any = importlib.import_module("torch")

    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, size / total), 0)
    requested: list[int] = []
    watch = getattr(torch._C, "_cuda_attachOutOfMemoryObserver", None)
    if watch is not None:
        watch(lambda _device, size, _allocated, _free: requested.append(size))
    kept = torch.empty(size // 2, dtype=torch.uint8, device="cuda")
    try:
        torch.empty(size, dtype=torch.uint8, device="cuda")
    except torch.cuda.OutOfMemoryError:
        held = 1.0
    else:
        held = 0.0
    more = torch.empty(size // 4, dtype=torch.uint8, device="cuda")
    del kept, more
    told = 1.0 if requested and requested[-1] >= size else 0.0
    return {"the cap holds (1 is yes)": held, "the need is told when it is hit (1 is yes)": told}


FRESH: Final[dict[str, Callable[[int], dict[str, float]]]] = {
    "process": process,
    "forked": forked,
    "copies": copies,
    "mapped": mapped,
    "killed": killed,
    "parked": parked,
    "capped": capped,
}


def _command(name: str, size: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.gpu_placement", "--one", name, "--gigabytes", str(size / GIGABYTE)]


def _host(torch: Any, size: int, *, pinned: bool) -> list[Any]:
    return [torch.ones(size // TENSORS, dtype=torch.uint8, pin_memory=pinned) for _ in range(TENSORS)]


def _timed(torch: Any, work: Callable[[], Any]) -> tuple[Any, float]:
    torch.cuda.synchronize()
    started = time.perf_counter()
    result = work()
    torch.cuda.synchronize()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()

"""spandrel, which knows the architectures of published upscalers, brought in where torchvision is not there."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn


def spandrel() -> Any:
    """The module. Two of its architectures, inpainting and faces, import from torchvision what no upscaler calls:
    where torchvision can't be imported, stand-ins are there for as long as spandrel's own import takes."""
    with _standing_in():
        return importlib.import_module("spandrel")


@contextmanager
def _standing_in() -> Generator[None]:
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError):  # absent, or built for another torch
        pass
    else:
        yield
        return
    there = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchvision"}
    functional: Any = ModuleType("torchvision.transforms.functional")
    functional.InterpolationMode = type("InterpolationMode", (), {})
    functional.rotate = functional.normalize = _absent
    transforms: Any = ModuleType("torchvision.transforms")
    transforms.functional = functional
    top: Any = ModuleType("torchvision")
    top.transforms = transforms
    ours = {module.__name__: module for module in (top, transforms, functional)}
    for name in there:
        del sys.modules[name]
    sys.modules.update(ours)
    try:
        yield
    finally:
        # Left behind, they would be taken for the real ones: transformers looks.
        for name in ours:
            sys.modules.pop(name, None)


def _absent(*_: object, **__: object) -> NoReturn:
    raise ImportError("this architecture needs torchvision, which is not installed")

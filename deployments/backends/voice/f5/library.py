"""The parts of f5-tts and vocos that speak, imported without those that train and fetch.

Both packages import everything they have on the way to any part of them: wandb, datasets and accelerate, which only
training needs, and a codec that another of their networks reads. None of that is installed beside them; so the two
packages are entered here without what stands at their door (`__init__.py`), and their modules are imported by name.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
import warnings
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, Final

from deployments.backends.voice.f5.recording import Recording, recording
from deployments.backends.voice.torchaudio import standing_in

_ENTERED: Final = ("f5_tts.model", "vocos")


def part(module: str, name: str) -> Any:
    """A class or function of the two. Raises `ImportError` where they are not installed."""
    with standing_in(), warnings.catch_warnings():
        # x-transformers has torch compile one of its functions so.
        warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
        for package in _ENTERED:
            if package not in sys.modules:
                sys.modules[package] = module_from_spec(_found(package))
        return getattr(importlib.import_module(module), name)


def example() -> Recording:
    """The English recording that comes with f5-tts, and its text."""
    folder = Path(next(iter(_found("f5_tts").submodule_search_locations or ())))
    told = tomllib.loads((folder / "infer/examples/basic/basic.toml").read_text(encoding="utf-8"))
    return recording(folder / told["ref_audio"], told["ref_text"])


def _found(package: str) -> Any:
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return spec

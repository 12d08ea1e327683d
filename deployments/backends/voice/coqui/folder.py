"""Where a Coqui model lies: a folder of the user's own, or the one that coqui-tts keeps a model of that name in.

coqui-tts names models tts_models/<language>/<dataset>/<model> and has a list of those it knows, with their licences. It
keeps what it unpacked from an archive in TTS_HOME, XDG_DATA_HOME or ~/.local/share, below tts/; what comes from the hub
is in the hub's own cache. Here those places are only looked at: nothing is fetched.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from deployments.backends.published import licences
from deployments.backends.published.location import hub_cache
from pipeline.errors import MissingWeights

CONFIG: Final = "config.json"
CHECKPOINTS: Final = ("model_file.pth", "model_file.pth.tar", "model.pth", "best_model.pth", "model.safetensors")
"""What the file with the weights is called in folders of coqui-tts and of its trainer, the first that is there."""
GRIFFIN_LIM: Final = "griffin_lim"
"""What stands for a vocoder where the phases are to be found without a network (`griffin_lim.py`)."""

_ASIDE: Final = ("speaker", "speakers", "speaker_ids", "language_ids", "model_se")
"""Names of files beside it that end like weights."""
_FREE: Final = ("apache 2.0", "mit", "mpl", "bsd-3-clause", "cc-by-4.0", "cc-by-sa 4.0")
"""Licences in the list of coqui-tts, in lower case, under which what a model says may be sold."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one model."""

    config: Path
    checkpoint: Path
    language: str = ""
    """As the model's name has it; empty for a folder of the user's own."""


def find(model: str, *, commercial_use: bool = False) -> Folder:
    """`model` is a name, a folder, or a file with weights that has its config.json beside it.

    `commercial_use` says that a model of the user's own may be used for it. Raises `MissingWeights` naming what is
    missing, `ValueError` for a name that coqui-tts does not know and where a folder has several files with weights, and
    `SettingsError` where the licence forbids what it is wanted for, or is not known.
    """
    if model.startswith(("tts_models/", "vocoder_models/")):
        return _named(model)
    if not model:
        raise ValueError("`model` is empty; a name of Coqui's or a folder is accepted")
    path = Path(model).expanduser()
    licences.check_terms(f"the model {model}", "yours to know (options.coqui.commercial_use)", commercial_use)
    if path.is_file():
        return _beside(path)
    if not path.is_dir():
        raise MissingWeights(
            f"There is no folder {path}.", accepted="a folder with config.json and the model's weights"
        )
    return _inside(path, "the model's folder, or the name of one of Coqui's models")


def usual_vocoder(model: str) -> str:
    """The name of the vocoder that goes with one of Coqui's models; empty where there is none."""
    return str(known().get(model, {}).get("default_vocoder") or "") if model.startswith("tts_models/") else ""


def known() -> dict[str, dict[str, Any]]:
    """The models that coqui-tts has in its list, by name. Raises `ModuleNotFoundError` where it is not installed."""
    package = find_spec("TTS")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'TTS'", name="TTS")
    listed = json.loads((Path(package.submodule_search_locations[0]) / ".models.json").read_text(encoding="utf-8"))
    return {
        f"{kind}/{language}/{dataset}/{model}": entry
        for kind in ("tts_models", "vocoder_models")
        for language, datasets in listed[kind].items()
        for dataset, models in datasets.items()
        for model, entry in models.items()
    }


def _named(model: str) -> Folder:
    listed = known()
    entry = listed.get(model)
    if entry is None:
        raise ValueError(f"there is no model {model!r} in the list of coqui-tts, which has: {', '.join(listed)}")
    licence = str(entry.get("license") or "not known")
    licences.check_terms(f"the model {model}", licence, licence.lower() in _FREE)
    language = model.split("/")[1]
    repository = entry.get("repo_id")
    if repository:
        folder = _snapshot(repository)
        mending = f"hf download {repository}"
    else:
        folder = _data() / "tts" / model.replace("/", "--")
        mending = f"the files of {entry['github_rls_url']} in {folder}"
    if folder is None or not folder.is_dir():
        raise MissingWeights(f"The model {model} is not on this machine.", accepted=mending)
    found = _inside(folder, mending)
    return Folder(found.config, found.checkpoint, language)


def _inside(folder: Path, accepted: str) -> Folder:
    for name in CHECKPOINTS:
        if (folder / name).is_file():
            return _beside(folder / name)
    others = sorted(
        path for path in folder.iterdir() if path.suffix in (".pth", ".safetensors") and path.stem not in _ASIDE
    )
    if not others:
        raise MissingWeights(f"{folder} has no file with weights, as {CHECKPOINTS[0]}.", accepted=accepted)
    if len(others) > 1:
        names = ", ".join(path.name for path in others)
        raise ValueError(f"{folder} has several files with weights; `model` can be one of them: {names}")
    return _beside(others[0])


def _beside(checkpoint: Path) -> Folder:
    config = checkpoint.parent / CONFIG
    if not config.is_file():
        raise MissingWeights(f"{checkpoint.parent} has no {CONFIG}.", accepted=f"{CONFIG} beside {checkpoint.name}")
    return Folder(config.absolute(), checkpoint.absolute())


def _snapshot(repository: str) -> Path | None:
    kept = hub_cache() / f"models--{repository.replace('/', '--')}"
    try:
        commit = (kept / "refs" / "main").read_text().strip()
    except FileNotFoundError:
        return None
    return kept / "snapshots" / commit


def _data() -> Path:
    for variable in ("TTS_HOME", "XDG_DATA_HOME"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    return Path.home() / ".local" / "share"

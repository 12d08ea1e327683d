"""Where the files of a published model lie on this machine: in the hub's cache, or in a folder of the user's own.

The hub's cache is laid out by its own client (huggingface_hub, "Understand caching"): below HF_HUB_CACHE, or hub/ in
HF_HOME, a repository is `models--owner--name`, with the bytes in `blobs/`, named by their entity tag, and in
`snapshots/<commit>/` the names that they have in the repository, as links. `refs/` says which commit a branch is.
What doesn't come from the hub lies in the client's cache of assets, `HF_ASSETS_CACHE/mouthpiece/<name>/`.

Reading that layout needs no client: a backend finds its weights without it, and without a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from deployments.backends.published import licences
from deployments.backends.published.catalogue import PublishedFile, PublishedModel, find
from pipeline.errors import Damaged, MissingWeights


def located(name: str, own: str = "") -> Path:
    """The folder in which the model's files lie, under the names that they have in the repository.

    `own` is a folder of the user's own, which need not hold the published bytes: another size is no error there. In
    the cache it is `Damaged`, code damaged_weights. Raises `MissingWeights` naming the first file that is not there,
    `UnknownName` for no published model, and `SettingsError` where the licence forbids what it is wanted for.
    """
    model = find(name)
    licences.check(model)
    if own:
        return _own(model, Path(own).expanduser())
    folder = kept(model)
    for file in model.files:
        if folder is None or not (folder / file.path).is_file():
            raise MissingWeights(
                f"The weights of {name} are not on this machine: {file.path} of {model.repository} is missing.",
                accepted=model.command,
            )
        size = (folder / file.path).stat().st_size
        if file.size is not None and size != file.size:
            raise Damaged(
                f"{folder / file.path} has {size} bytes; as published it has {file.size}.",
                code="damaged_weights",
                accepted=model.command,
            )
    assert folder is not None  # noqa: S101 - every model has files, so it was found missing above
    return folder


def kept(model: PublishedModel) -> Path | None:
    """The folder that its files are in, or will be once all are fetched; None where nothing of it was fetched."""
    if not model.on_hub:
        return assets(model)
    repository = hub_folder(model)
    commit = model.revision
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        try:
            commit = (repository / "refs" / commit).read_text().strip()
        except FileNotFoundError:
            return None
    folder = repository / "snapshots" / commit
    return folder if folder.is_dir() else None


def present(model: PublishedModel) -> Iterator[tuple[PublishedFile, Path]]:
    """Those of its files that are here, whole or not."""
    folder = kept(model)
    if folder is not None:
        for file in model.files:
            if (folder / file.path).is_file():
                yield file, folder / file.path


def hub_folder(model: PublishedModel) -> Path:
    """What the hub's client keeps of the model's repository."""
    return hub_cache() / f"models--{model.repository.replace('/', '--')}"


def assets(model: PublishedModel) -> Path:
    """Where the model's files are kept that don't come from the hub."""
    return _folder("HF_ASSETS_CACHE", _home() / "assets") / "mouthpiece" / model.name


def hub_cache() -> Path:
    """The hub's cache, as its client finds it: HF_HUB_CACHE, or hub/ in HF_HOME, or in the user's cache."""
    return _folder("HF_HUB_CACHE", _folder("HUGGINGFACE_HUB_CACHE", _home() / "hub"))


def _home() -> Path:
    return _folder("HF_HOME", _folder("XDG_CACHE_HOME", Path("~/.cache").expanduser()) / "huggingface")


def _folder(variable: str, otherwise: Path) -> Path:
    # The hub's client takes variables that are set to nothing as they are; a cache in the working directory is no use.
    text = os.environ.get(variable, "")
    return Path(os.path.expandvars(text)).expanduser() if text else otherwise


def _own(model: PublishedModel, folder: Path) -> Path:
    for file in model.files:
        if not (folder / file.path).is_file():
            names = ", ".join(file.path for file in model.files)
            raise MissingWeights(
                f"{folder} is no folder with the weights of {model.name}: {file.path} is missing.",
                accepted=f"a folder with {names}, or without one: {model.command}",
            )
    return folder

"""The published models on this machine: which are here, what is done with them, and what goes when one is removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deployments.backends.built_in import BACKENDS
from deployments.backends.published import fetching, licences
from deployments.backends.published.catalogue import MODELS, find
from deployments.backends.published.description import PublishedModel
from deployments.backends.published.location import assets, hub_folder, kept, located, present
from deployments.backends.published.verification import Verdict, verify
from pipeline.errors import Damaged


@dataclass(frozen=True, slots=True)
class Holding:
    """A published model, and how much of it is here."""

    model: PublishedModel
    state: Literal["here", "partly", "absent"]
    bytes_here: int
    folder: Path | None
    """Where its files lie under their own names; None where nothing of it is here."""
    backends: tuple[str, ...]
    """Deployments that load it: lipsync-musetalk."""
    vram_gigabytes: float
    """Memory of a card that the hungriest of them declares to need, with all else that it loads."""


class Holdings:
    """What `mouthpiece models` does about weights; with `commercial_use`, held to licences that allow it."""

    def __init__(self, *, commercial_use: bool = False) -> None:
        self._commercial_use = commercial_use

    def all(self) -> list[Holding]:
        return [self.one(name) for name in MODELS]

    def one(self, name: str) -> Holding:
        """Raises `UnknownName`. Looks at names and sizes alone; `verify` reads the bytes."""
        model = find(name)
        here = [(file, path.stat().st_size) for file, path in present(model)]
        loading = [backend for backend in BACKENDS if name in backend.weights]
        whole = len(here) == len(model.files) and all(file.size in (None, size) for file, size in here)
        return Holding(
            model=model,
            state="here" if whole else "partly" if here else "absent",
            bytes_here=sum(size for _, size in here),
            folder=kept(model) if here else None,
            backends=tuple(backend.deployment for backend in loading),
            vram_gigabytes=max((backend.vram_gigabytes for backend in loading), default=0.0),
        )

    def pull(self, name: str, watch: fetching.Watch) -> Path:
        """Raises what `fetching.pull` does."""
        with licences.held_to(self._commercial_use):
            return fetching.pull(find(name), watch)

    def verify(self, name: str, done: Callable[[int], None]) -> list[Verdict]:
        return verify(find(name), done)

    def path(self, name: str) -> Path:
        """The folder of a model that is wholly here. Raises what `located` does."""
        with licences.held_to(self._commercial_use):
            return located(name)

    def remove(self, name: str) -> int:
        """Takes its files from the cache, except what another name there still stands for. Returns bytes freed."""
        return _remove(find(name))


def damaged(found: Iterable[tuple[str, Sequence[Verdict]]]) -> Damaged | None:
    """What to raise for what `verify` found of models by name; None where all is well."""
    bad = {name: [verdict for verdict in verdicts if verdict.state == "damaged"] for name, verdicts in found}
    bad = {name: verdicts for name, verdicts in bad.items() if verdicts}
    if not bad:
        return None
    told = "; ".join(f"{name}: {each.path}: {each.detail}" for name, verdicts in bad.items() for each in verdicts)
    return Damaged(
        f"Damaged weights: {told}.", code="damaged_weights", accepted=f"mouthpiece models pull {' '.join(bad)}"
    )


def _remove(model: PublishedModel) -> int:
    freed = 0
    folder = kept(model)
    repository = hub_folder(model) if model.on_hub else assets(model)
    for _, path in list(present(model)):
        size, blob = path.stat().st_size, path.resolve() if path.is_symlink() else None
        path.unlink()
        if blob is not None:
            if any(other.resolve() == blob for other in (repository / "snapshots").rglob("*") if other.is_symlink()):
                continue  # another name, or another revision, has the same bytes
            blob.unlink()
        freed += size
    for part in repository.rglob("*.incomplete"):
        freed += part.stat().st_size
        part.unlink()
    for start in (folder, repository / "blobs", repository / "snapshots"):
        if start is not None:
            _clear(start)
    if not any(path.is_file() for path in repository.glob("snapshots/**/*")):
        for reference in repository.glob("refs/*"):
            reference.unlink()
        _clear(repository)
    return freed


def _clear(folder: Path) -> None:
    """Removes empty folders below, then itself if nothing is left."""
    if not folder.is_dir():
        return
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            _clear(child)
    if not any(folder.iterdir()):
        folder.rmdir()

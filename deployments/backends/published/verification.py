"""Whether the files of a model are what was published: their SHA-256 against the manifest, or the hub's own tag."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deployments.backends.published.description import PublishedFile, PublishedModel
from deployments.backends.published.location import kept

State = Literal["whole", "missing", "damaged", "unverified"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one file."""

    path: str
    """In the repository."""
    state: State
    """unverified: it is there, and neither the manifest nor the cache says what it should be."""
    detail: str
    """What is wrong, or what it was compared with."""


def verify(model: PublishedModel, done: Callable[[int], None] = lambda _: None) -> list[Verdict]:
    """Reads every file of the model and compares it. `done` is told of bytes read, as they are."""
    folder = kept(model)
    return [check(file, None if folder is None else folder / file.path, done) for file in model.files]


def check(file: PublishedFile, path: Path | None, done: Callable[[int], None] = lambda _: None) -> Verdict:
    """One file, at a place where it is or isn't; a link is followed."""
    if path is None or not path.is_file():
        return Verdict(file.path, "missing", "not on this machine")
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return Verdict(file.path, "damaged", f"it has {size} bytes; as published it has {file.size}")
    known, source = (file.sha256, "the manifest") if file.sha256 else (path.resolve().name, "the hub's tag")
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", known):
        return Verdict(file.path, "unverified", f"{size} bytes; nothing says what they should be")
    found = digest(path, known, done)
    if found != known:
        return Verdict(file.path, "damaged", f"its hash is {found}; as published it is {known} ({source})")
    return Verdict(file.path, "whole", source)


def digest(path: Path, like: str, done: Callable[[int], None] = lambda _: None) -> str:
    """SHA-256 of a file; where `like` has 40 digits, git's name of its bytes: SHA-1 over "blob <size>", 0 and them."""
    with path.open("rb") as file:
        if len(like) == 64:
            found = hashlib.sha256()
        else:
            found = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while piece := file.read(1 << 20):
            found.update(piece)
            done(len(piece))
    return found.hexdigest()

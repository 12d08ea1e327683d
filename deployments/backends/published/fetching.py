"""Has all files of a published model on this machine, whole: what is here and right is not fetched again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployments.backends.published import hub, licences
from deployments.backends.published.description import PublishedFile, PublishedModel
from deployments.backends.published.download import Source, download, incomplete, writing
from deployments.backends.published.location import assets, hub_cache, hub_folder, kept
from deployments.backends.published.verification import check, digest
from pipeline.errors import Damaged, StorageFull, Unavailable


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far one file is."""

    path: str
    here: int
    """Bytes."""
    size: int | None


Watch = Callable[[Fetched], None]


def pull(model: PublishedModel, watch: Watch = lambda _: None) -> Path:
    """Fetches what is missing or damaged, verified before it gets its name, and returns the folder.

    Stopped at any moment, it goes on from there the next time. Raises `SettingsError` (licence_forbids,
    unwritable_cache), `StorageFull` before anything is fetched where the disk has too little room, `Unavailable`
    where the network is not there or HF_HUB_OFFLINE is set, `Damaged` where a source has other bytes than were
    published, and what `hub.look` and `download` raise.
    """
    licences.check(model)
    wanted = [file for file in model.files if not _right(model, file)]
    if wanted and hub.offline():
        raise Unavailable(
            f"{wanted[0].path} of {model.name} is not on this machine, and HF_HUB_OFFLINE says not to fetch it.",
            code="offline",
            accepted=f"HF_HUB_OFFLINE=0 {model.command}",
        )
    _room(model, wanted)
    for file in wanted:
        if model.on_hub:
            _from_hub(model, file, watch)
        else:
            _fetch(file, lambda url=file.url: Source(url), assets(model) / file.path, file.sha256 or "", watch)
    folder = kept(model)
    assert folder is not None  # noqa: S101 - its files were just put there
    return folder


def _right(model: PublishedModel, file: PublishedFile) -> bool:
    folder = kept(model)
    verdict = check(file, None if folder is None else folder / file.path)
    if verdict.state == "damaged" and folder is not None:
        (folder / file.path).resolve().unlink()
    return verdict.state in ("whole", "unverified")


def _from_hub(model: PublishedModel, file: PublishedFile, watch: Watch) -> None:
    entry = hub.look(model, file)
    if file.sha256 and len(entry.etag) == 64 and entry.etag != file.sha256:
        raise _other(file, f"the hash {entry.etag} at {hub.endpoint()}", file.sha256)
    if file.size is not None and entry.size not in (None, file.size):
        raise _other(file, f"{entry.size} bytes at {hub.endpoint()}", str(file.size))
    blob = hub_folder(model) / "blobs" / entry.etag
    known = file.sha256 or entry.etag
    if blob.is_file() and digest(blob, known) != known:
        blob.unlink()
    if not blob.is_file():
        sized = PublishedFile(file.path, file.size if file.size is not None else entry.size)
        first = [entry.source]
        _fetch(sized, lambda: first.pop() if first else hub.look(model, file).source, blob, known, watch)
    with writing(blob):
        hub.name_in_snapshot(model, file)


def _fetch(file: PublishedFile, source: Callable[[], Source], target: Path, known: str, watch: Watch) -> None:
    with incomplete(target) as (part, open_file):
        download(source, open_file, file.size, lambda here, size: watch(Fetched(file.path, here, size)))
        found = digest(part, known) if known else ""
        if found != known:
            part.unlink()
            raise _other(file, f"the hash {found} as it came", known)
        part.replace(target)


def _other(file: PublishedFile, what: str, published: str) -> Damaged:
    return Damaged(
        f"{file.path} has {what}; as published it has {published}. It was not kept.",
        code="not_as_published",
        accepted="another mirror in HF_ENDPOINT, or the same command once more",
    )


def _room(model: PublishedModel, wanted: list[PublishedFile]) -> None:
    root = hub_cache() if model.on_hub else assets(model)
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    needed = sum(max(0, (file.size or 0) - _begun(model, file)) for file in wanted)
    free = shutil.disk_usage(there).free
    if needed > free:
        raise StorageFull(
            f"{model.name} needs {needed / 2**30:.2f} GB more in {root}; {free / 2**30:.2f} GB are free.",
            code="disk_full",
            accepted="another folder in HF_HOME, or room made",
        )


def _begun(model: PublishedModel, file: PublishedFile) -> int:
    """Bytes of a file that are here already: of a download that stopped, or as another name's blob."""
    target = hub_folder(model) / "blobs" / (file.sha256 or "?") if model.on_hub else assets(model) / file.path
    for path in (target, target.with_name(f"{target.name}.incomplete")):
        if path.is_file():
            return path.stat().st_size
    return 0

"""Retention: what nothing refers to any more goes, after a grace time or when its room is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pipeline.storage.artifacts import Artifacts, Kept


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed."""

    removed: int
    """Artifacts."""
    bytes: int


def unreferenced(
    artifacts: Artifacts, keep: Callable[[], set[str]], *, grace_seconds: float, now: float
) -> Iterator[Kept]:
    """What `keep` does not name and was last put or renewed before the grace time; in no order."""
    until = now - grace_seconds
    kept = keep()  # before the listing, which may take long, and after `now`: see `sweep`
    return (found for found in artifacts.list() if found.modified <= until and found.digest not in kept)


def sweep(artifacts: Artifacts, keep: Callable[[], set[str]], *, grace_seconds: float, now: float) -> Swept:
    """Removes what nothing refers to. May run while anything else does, also twice at once.

    `keep` gives the digests that anything refers to at the moment when it is called; `now` is a time, in seconds
    since the epoch, at which the call of `sweep` was still to come. Nothing that is referred to is lost, provided
    that

    (a) whoever is about to refer to an artifact first puts or renews it, and only then refers to it, and
    (b) between the two pass less than `grace_seconds`, less what the clocks of those who put and of the caller
        differ by (S3 servers keep whole seconds, and their own time).

    For let a reference to D be made at r, after a put or renewal of D at p < r, and let D be removed at d by a sweep
    that called `keep` at k. By construction now <= k <= d.

    - r <= k: `keep` names D, unless the reference was dropped again before k, and D is not removed.
    - r > k: p > r - grace > k - grace >= now - grace. If p < d, D is newer than the sweep's limit when `discard`
      looks at it, and is not removed: `discard` looks and removes in one step that no put or renewal can enter. If
      p > d, the put writes D once more, and a renewal raises `NotFound`, so that D is made once more before anyone
      refers to it.

    So the limit has to be fixed before `keep` is called, and the age to be looked at again on removal. When the
    listing is made does not matter: it only proposes.
    """
    until = now - grace_seconds
    removed = size = 0
    for found in unreferenced(artifacts, keep, grace_seconds=grace_seconds, now=now):
        if artifacts.discard(found.digest, until):
            removed += 1
            size += found.size
    return Swept(removed, size)


def make_room(artifacts: Artifacts, bytes_needed: int, droppable: Iterable[Kept]) -> Swept:
    """Removes of `droppable`, as `unreferenced` gives it, what was used longest ago, until so many bytes have gone.

    An artifact that has been put or renewed since it was listed stays, as in `sweep` and for the same reason. Less
    than was needed may go: `Swept.bytes` says how much.
    """
    removed = size = 0
    for found in sorted(droppable, key=lambda kept: kept.modified):
        if size >= bytes_needed:
            break
        if artifacts.discard(found.digest, found.modified):
            removed += 1
            size += found.size
    return Swept(removed, size)

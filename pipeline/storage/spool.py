"""Spool: an artifact on its way into a store, on the local disk until all of it is there and its name is known."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from pipeline.storage.artifacts import Stored
from pipeline.storage.chunk_sums import RunningSums
from pipeline.storage.drafts import Draft, Drafts


class Spool:
    """`Writer` of every store. `refuse` raises `StorageFull` for an artifact that would have so many bytes;
    `keep` puts a finished draft where it belongs."""

    def __init__(
        self, drafts: Drafts, refuse: Callable[[int], None], keep: Callable[[Draft, RunningSums], Stored]
    ) -> None:
        self._drafts = drafts
        self._refuse = refuse
        self._keep = keep
        self._running = RunningSums()
        self._draft: Draft | None = None
        self._held = ExitStack()

    def write(self, data: bytes) -> None:
        draft = self._open()
        try:
            self._refuse(self._running.size + len(data))
            draft.write(data)
            self._running.update(data)
        except BaseException:
            self._close()  # what it holds now is not what was written
            raise

    def commit(self) -> Stored:
        draft = self._open()
        try:
            return self._keep(draft, self._running)
        finally:
            self._close()

    def __enter__(self) -> Self:
        self._draft = self._held.enter_context(self._drafts.draft())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _open(self) -> Draft:
        if self._draft is None:
            raise ValueError("this artifact is not being written: it was kept, it failed, or its block was left")
        return self._draft

    def _close(self) -> None:
        self._draft = None
        self._held.close()

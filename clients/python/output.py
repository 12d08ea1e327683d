"""A file that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import InvalidRequest


class Output:
    """Opens a file beside `path` at once, so that a path that can't be written is refused before any work.

    `commit` moves it into place; leaving the `with` block without it removes it. A link is followed, so that the
    file it points to is replaced. Raises `InvalidRequest` (field `output`) where nothing can be written there.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            target = Path(os.path.realpath(self.path))
            if target.is_dir():
                raise _refused(f"{self.path} is a folder.", "a path that ends in a file name")
            if not target.parent.is_dir():
                raise _refused(f"There is no folder {self.path.parent}.", "a path in a folder that exists")
            if target.exists() and not target.is_file():
                raise _refused(f"{self.path} is not a regular file.", "a new file, or one to replace")
            self._target = target
            self._partial = target.with_name(f".{target.stem[:40]}.{secrets.token_hex(4)}.part")
            self._file = self._partial.open("xb")
        except (OSError, ValueError) as error:
            raise _unwritable(self.path, error) from None

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def commit(self) -> Path:
        """The file is complete: it takes its place, over what was there."""
        try:
            self._file.close()
            self._partial.replace(self._target)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        return self.path

    def discard(self) -> None:
        """Removes what was written, unless it was committed."""
        try:
            self._file.close()
        finally:
            self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _unwritable(path: Path, error: Exception) -> InvalidRequest:
    return _refused(f"{path} can't be written: {getattr(error, 'strerror', None) or error}.", "a writable path")


def _refused(message: str, accepted: str) -> InvalidRequest:
    return InvalidRequest(message, code="unwritable_output", field="output", accepted=accepted)

"""Consents on disk: who agreed to have their voice kept, in their own words."""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pipeline.contracts import Consent, Samples
from pipeline.errors import NotFound
from pipeline.ids import check_id, new_id
from pipeline.media.audio import encode_audio

PREFIX = "cons"


class ConsentStore:
    """`<root>/cons_.../` with consent.json and recording.flac, written in this order's reverse."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def create(self, name: str, language: str, samples: Samples, rate: int) -> Consent:
        """Keeps a decoded recording, (n,) float32 mono at `rate`, without loss."""
        consent = Consent(
            id=new_id(PREFIX),
            name=name,
            language=language,
            created_at=datetime.now(UTC),
            seconds=len(samples) / rate,
        )
        folder = self._root / consent.id
        folder.mkdir()
        _write(folder / "recording.flac", b"".join(encode_audio([samples], rate, "flac")))
        self._save(consent)  # last: a folder without it was never accepted
        return consent

    def list(self) -> tuple[Consent, ...]:
        """Newest first. A folder whose consent.json is missing or damaged is passed over, not deleted."""
        found = []
        for folder in sorted(self._root.iterdir(), reverse=True):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValidationError):
                found.append(Consent.model_validate_json((folder / "consent.json").read_bytes()))
        return tuple(found)

    def get(self, consent: str) -> Consent:
        """Raises `NotFound`."""
        try:
            return Consent.model_validate_json((self._folder(consent) / "consent.json").read_bytes())
        except FileNotFoundError:
            raise _missing(consent) from None

    def rename(self, consent: str, name: str) -> Consent:
        """Raises `NotFound`."""
        renamed = self.get(consent).model_copy(update={"name": name})
        self._save(renamed)
        return renamed

    def delete(self, consent: str) -> None:
        """Raises `NotFound`."""
        folder = self._root / self.get(consent).id
        (folder / "consent.json").unlink()  # first: from here on there is no such consent, whatever happens
        shutil.rmtree(folder)

    def _save(self, consent: Consent) -> None:
        _write(self._root / consent.id / "consent.json", consent.model_dump_json().encode())

    def _folder(self, consent: str) -> Path:
        try:
            return self._root / check_id(PREFIX, consent)
        except NotFound:
            raise _missing(consent) from None


def _missing(consent: str) -> NotFound:
    return NotFound(f"There is no consent {consent[:100]!r}.", field="consent", accepted="the id of a consent")


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)

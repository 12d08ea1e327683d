"""Folders on disk, one for each stored thing: made whole or not at all, found by id or by name."""

from __future__ import annotations

import fcntl
import os
import shutil
import unicodedata
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from pipeline.contracts import Avatar, Consent, VoiceProfile
from pipeline.errors import Conflict, InvalidRequest, MouthpieceError, NotFound, listed
from pipeline.ids import is_id

Card = TypeVar("Card", VoiceProfile, Avatar, Consent)
Loaded = TypeVar("Loaded")

_CARD = "profile.json"
_LOCK = ".lock"
_NEW, _GONE = ".new-", ".gone-"


class Shelf(Generic[Card]):
    """`folder/<id>/profile.json` and whatever files belong to it.

    Several processes may use one folder: changes take turns by a lock on a file, a new entry appears by one
    rename of a finished, synced folder, and readers need no lock. `noun` and `prefix` are what an entry is
    called in messages and how its id begins. Where names are `labels`, two entries may have the same one, and
    only ids find them.
    """

    def __init__(self, folder: Path, *, card: type[Card], noun: str, prefix: str, labels: bool = False) -> None:
        self._folder = folder
        self._card = card
        self._noun = noun
        self._prefix = prefix
        self._labels = labels

    def put(self, card: Card, write: Callable[[Path], None]) -> Card:
        """Keeps `card`, named as `checked` gave it, with the files that `write` puts into the folder it is given.

        Raises `Conflict` (name).
        """
        with self._locked():
            self._refuse_taken(card.name)
            made = self._folder / f"{_NEW}{card.id}"
            made.mkdir()
            try:
                write(made)
                (made / _CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
                for path in made.iterdir():
                    _sync(path)
                _sync(made)
                made.rename(self._folder / card.id)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            _sync(self._folder)
        return card

    def list(self) -> Sequence[Card]:
        """Oldest first; what can't be read is left out, and `get` says why."""
        cards = []
        for identity in self._ids():
            try:
                cards.append(self._read(identity))
            except MouthpieceError:  # deleted meanwhile, or damaged
                continue
        return cards

    def get(self, id_or_name: str) -> Card:
        """Raises `NotFound`; and `MouthpieceError` with the code `damaged` where its files are not as written."""
        if is_id(self._prefix, id_or_name):
            return self._read(id_or_name)
        wanted = _folded(id_or_name)
        cards = () if self._labels else self.list()
        for card in cards:
            if _folded(card.name) == wanted:
                return card
        raise self._missing(id_or_name, cards)

    def rename(self, id_or_name: str, name: str) -> Card:
        """Raises `NotFound`, `Conflict` (name) and `InvalidRequest` (name)."""
        name = self.checked(name)
        with self._locked():
            card = self.get(id_or_name)
            self._refuse_taken(name, but=card.id)
            card = card.model_copy(update={"name": name})
            folder = self._folder / card.id
            draft = folder / f".{_CARD}"
            draft.write_text(card.model_dump_json(indent=1), encoding="utf-8")
            _sync(draft)
            draft.replace(folder / _CARD)
            _sync(folder)
        return card

    def delete(self, id_or_name: str) -> None:
        """Raises `NotFound`. Takes away damaged entries too, by id."""
        with self._locked():
            identity = id_or_name if is_id(self._prefix, id_or_name) else self.get(id_or_name).id
            gone = self._folder / f"{_GONE}{identity}"
            try:
                (self._folder / identity).rename(gone)
            except FileNotFoundError:
                raise self._missing(id_or_name) from None
            _sync(self._folder)
            shutil.rmtree(gone, ignore_errors=True)

    def load(self, id_or_name: str, file: str, read: Callable[[Path], Loaded]) -> Loaded:
        """What `read` makes of one of an entry's files. Raises like `get`."""
        identity = id_or_name if is_id(self._prefix, id_or_name) else self.get(id_or_name).id
        folder = self._folder / identity
        if not folder.is_dir():
            raise self._missing(id_or_name)
        try:
            return read(folder / file)
        except MouthpieceError:
            raise
        except Exception as error:  # whatever a decoder raises on damaged bytes
            if not folder.is_dir():
                raise self._missing(id_or_name) from None
            raise self._damaged(identity, f"{file}: {error}") from error

    def add(self, identity: str, file: str, write: Callable[[Path], object], instead_of: str) -> None:
        """Puts one more file into the entry with this id, whole or not at all; files that `instead_of` (a pattern)
        finds go. Raises `NotFound`."""
        with self._locked():
            folder = self._folder / identity
            if not folder.is_dir():
                raise self._missing(identity)
            draft = folder / f".{file}"
            try:
                write(draft)
                _sync(draft)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            for old in folder.glob(instead_of):
                old.unlink()
            draft.rename(folder / file)
            _sync(folder)

    def _ids(self) -> Sequence[str]:
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if is_id(self._prefix, path.name))

    def _read(self, identity: str) -> Card:
        try:
            text = (self._folder / identity / _CARD).read_text(encoding="utf-8")
            card = self._card.model_validate_json(text)
        except (OSError, ValueError, ValidationError) as error:
            if not (self._folder / identity).is_dir():
                raise self._missing(identity) from None
            raise self._damaged(identity, _CARD) from error
        if card.id != identity:
            raise self._damaged(identity, f"{_CARD} is that of {card.id}")
        return card

    def _refuse_taken(self, name: str, but: str | None = None) -> None:
        for card in () if self._labels else self.list():
            if card.id != but and _folded(card.name) == _folded(name):
                raise Conflict(
                    f"There is a {self._noun} named {card.name!r} already ({card.id}).",
                    code="name_taken",
                    field="name",
                    accepted="a name that is not in use",
                )

    def checked(self, name: str) -> str:
        """`name` in NFC with single spaces. Raises `InvalidRequest` (name)."""
        name = " ".join(unicodedata.normalize("NFC", name).split())
        if not 1 <= len(name) <= 100 or not name.isprintable() or is_id(self._prefix, name):
            raise InvalidRequest(
                f"{name[:100]!r} can't be the name of a {self._noun}.",
                code="invalid_name",
                field="name",
                accepted="1 to 100 printable characters that are not an id",
            )
        return name

    def _missing(self, wanted: str, cards: Sequence[Card] | None = None) -> NotFound:
        """`cards`, where they were looked through, are those whose names would have been right."""
        accepted = "an id" if self._labels else "an id or a name"
        if cards:
            accepted += f": {listed(wanted, (card.name for card in cards))}"
        elif cards is not None and not self._labels:
            accepted += "; there are none yet"
        return NotFound(f"There is no {self._noun} {wanted[:100]!r}.", field=self._noun, accepted=accepted)

    def _damaged(self, identity: str, what: str) -> MouthpieceError:
        return MouthpieceError(f"The {self._noun} {identity} is damaged on disk: {what}.", code="damaged")

    @contextmanager
    def _locked(self) -> Generator[None]:
        """One process and thread at a time; sweeps up what one that died in here left behind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            for left in (*self._folder.glob(f"{_NEW}*"), *self._folder.glob(f"{_GONE}*")):
                shutil.rmtree(left, ignore_errors=True)
            yield


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Text as it is written: pieces in, sentences out as soon as they are whole."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.errors import InvalidText
from pipeline.text import PIECE, ended, normalise, sentences

EMPTY = frozenset({"text_empty", "nothing_to_say"})


class Whole(NamedTuple):
    """What can be said of a text, in order, and what is wrong with each sentence that can't."""

    sentences: list[str]
    wrong: list[InvalidText]


class LiveText:
    """What was written and is not a whole sentence yet. A sentence has at most `limit` characters."""

    def __init__(self, language: str, limit: int) -> None:
        self._language = language
        self._limit = limit
        self._unfinished = ""

    def add(self, piece: str) -> Whole:
        """Sentences that are whole with it."""
        self._unfinished += piece
        end = ended(self._unfinished, self._language)
        over, self._unfinished = self._unfinished[:end], self._unfinished[end:]
        return self._whole(over)

    def end(self) -> Whole:
        """What is left, as it is."""
        rest, self._unfinished = self._unfinished, ""
        return self._whole(rest)

    def drop(self) -> None:
        """Forgets what is left."""
        self._unfinished = ""

    def _whole(self, text: str) -> Whole:
        found = Whole([], [])
        for sentence in sentences(text, self._language):
            try:
                clean = normalise(sentence, limit=self._limit)
            except InvalidText as error:
                if error.code not in EMPTY:
                    found.wrong.append(error)
            else:
                # In NFC some characters are several.
                found.sentences.extend([clean] if len(clean) <= PIECE else sentences(clean, self._language))
        return found

"""Text as it is written: pieces in, sentences out as soon as they are whole."""

from __future__ import annotations

from pipeline.errors import InvalidText
from pipeline.text import ended, normalise, sentences

EMPTY = frozenset({"text_empty", "nothing_to_say"})


class LiveText:
    """What was written and is not a whole sentence yet. At most `limit` characters wait here."""

    def __init__(self, language: str, limit: int) -> None:
        self._language = language
        self._limit = limit
        self._unfinished = ""

    def add(self, piece: str) -> list[str]:
        """Sentences that are whole with it. Raises `InvalidText` for characters that nobody can say, which are left
        out with the sentences that they stand in."""
        self._unfinished += piece
        end = 0
        while step := ended(self._unfinished[end:], self._language):
            end += step
        over, self._unfinished = self._unfinished[:end], self._unfinished[end:]
        return self._sentences(over)

    def end(self) -> list[str]:
        """What is left, as it is. Raises as `add`."""
        rest, self._unfinished = self._unfinished, ""
        return self._sentences(rest)

    def drop(self) -> None:
        """Forgets what is left."""
        self._unfinished = ""

    def _sentences(self, text: str) -> list[str]:
        try:
            return sentences(normalise(text, limit=self._limit), self._language)
        except InvalidText as error:
            if error.code in EMPTY:
                return []
            raise

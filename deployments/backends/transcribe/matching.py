"""A known text against what was heard: the words as they are written, at the times at which they were heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Final

from pipeline import text
from pipeline.contracts import Word

LEAST: Final = 0.01
"""Seconds that every word has."""


def matched(known: str, heard: Sequence[Word], seconds: float) -> tuple[Word, ...]:
    """The words of `known`. Those that were heard otherwise share the time of what was heard instead, at half the
    likeness as confidence; those that were not heard at all have what is left between their neighbours, and none.

    `heard` is not empty; the recording lasts so many `seconds`. Raises nothing: how little it fits, confidences say.
    """
    wanted = [known[start:end] for start, end in text.words(known)]
    left, right = [_plain(word) for word in wanted], [_plain(word.text) for word in heard]
    found: list[Word] = []
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [replace(word, text=wanted[a + n]) for n, word in enumerate(heard[c:d])]
        elif kind == "replace":
            like = SequenceMatcher(None, "".join(left[a:b]), "".join(right[c:d]), autojunk=False).ratio() / 2
            found += _shared(wanted[a:b], heard[c].start, heard[d - 1].end, like)
        elif kind == "delete":
            start = heard[c - 1].end if c else heard[0].start
            end = heard[c].start if c < len(heard) else heard[-1].end
            found += _shared(wanted[a:b], start, max(end, start), 0.0)
    return apart(found, seconds)


def apart(words: Sequence[Word], seconds: float) -> tuple[Word, ...]:
    """The same words in order without overlap, within so many seconds, `LEAST` each or more where there is room."""
    found: list[Word] = []
    least = min(LEAST, seconds / max(len(words), 1))
    for number, word in enumerate(words):
        start = max(word.start, found[-1].start + least) if found else word.start
        start = min(start, seconds - (len(words) - number) * least)
        if found and found[-1].end > start:
            found[-1] = replace(found[-1], end=start)
        found.append(replace(word, start=start, end=min(max(word.end, start + least), seconds)))
    return tuple(found)


def _shared(words: Sequence[str], start: float, end: float, confidence: float) -> list[Word]:
    letters = [max(len(_plain(word)), 1) for word in words]
    found, at = [], start
    for word, length in zip(words, letters, strict=True):
        until = at + (end - start) * length / sum(letters)
        found.append(Word(at, until, word, confidence))
        at = until
    return found


def _plain(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())

"""When each written word of a piece is said, from where a synthesiser begins its own words and its phonemes."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import text
from pipeline.contracts import Phoneme, Word


def word_times(piece: str, marks: Sequence[tuple[float, int]], phonemes: Sequence[Phoneme]) -> tuple[Word, ...]:
    """The words of `piece`, each from its first sound to its last.

    `marks` say where a synthesiser begins a word: seconds, and the character of the text that it stands for. Several
    may be of one written word (figures), and one of several ("of the"), which then share its sounds by their letters.
    """
    spans = text.words(piece)
    sounds = [phoneme for phoneme in phonemes if phoneme.ipa]
    if not spans or not sounds:
        return ()
    first: dict[int, int] = {}
    for seconds, character in sorted(marks):
        number = _span_of(character, spans)
        if number > max(first, default=-1):
            begin = next((n for n, sound in enumerate(sounds) if sound.start > seconds - 1e-6), len(sounds))
            first[number] = begin
    first[0] = 0
    begins = _shared(first, spans, len(sounds))
    words: list[Word] = []
    for number, (start, end) in enumerate(spans):
        mine = sounds[begins[number] : max(begins[number + 1], begins[number] + 1)]
        words.append(Word(mine[0].start, mine[-1].end, piece[start:end]))
    return _apart(words)


def _span_of(character: int, spans: Sequence[tuple[int, int]]) -> int:
    return max((number for number, (start, _) in enumerate(spans) if start <= character), default=0)


def _shared(first: dict[int, int], spans: Sequence[tuple[int, int]], count: int) -> list[int]:
    """The first sound of each word, and the number of sounds: what words have together is shared by their length."""
    begins: list[int] = []
    marked = sorted(first)
    for place, number in enumerate(marked):
        after = marked[place + 1] if place + 1 < len(marked) else len(spans)
        low, high = first[number], first[after] if after < len(spans) else count
        letters = [end - start for start, end in spans[number:after]]
        done = 0
        for length in letters:
            begins.append(min(low + round((high - low) * done / sum(letters)), count - 1))
            done += length
    return [*begins, count]


def _apart(words: Sequence[Word]) -> tuple[Word, ...]:
    """Words that share their only sound have its halves, thirds ..."""
    apart: list[Word] = []
    at = 0
    while at < len(words):
        same = at
        while same + 1 < len(words) and words[same + 1].start < words[same].end:
            same += 1
        start, end, many = words[at].start, max(word.end for word in words[at : same + 1]), same - at + 1
        if many == 1:
            apart.append(words[at])
        else:
            step = (end - start) / many
            apart += [
                Word(start + step * n, start + step * (n + 1), word.text) for n, word in enumerate(words[at : same + 1])
            ]
        at = same + 1
    return tuple(apart)

"""Subtitles: words with times, gathered into cues that can be read, as SRT (SubRip) or WebVTT (W3C).

The conventions are those that broadcasters and streaming services share: at most two lines of 42 characters, 1 to 7
seconds, no more than 20 characters a second where the speech leaves the choice, a gap between cues, and breaks where
the language has them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from pipeline.contracts import (
    SpokenSound,
    SpokenWord,
    SubtitleFormat,
    Transcript,
    TranscriptFormat,
    Transcription,
    Word,
)
from pipeline.text import joined

LINE: Final = 42
"""Characters; wide ones, of East Asian scripts, count twice."""
LINES: Final = 2
SHORTEST, LONGEST = 1.0, 7.0
"""Seconds that a cue is shown. A short one stays while nothing else is said."""
PACE: Final = 20.0
"""Characters a second that are read with ease: Netflix's for adults. A cue stays longer for it where it can."""
GAP: Final = 0.08
"""Seconds between two cues, two frames at 25 a second, so that the change is seen."""
PAUSE: Final = 0.6
"""Seconds of silence that a cue does not go across without need; as it does not across the end of a sentence."""

_ENDS: Final = ".!?…。！？।؟۔።"
_CLAUSES: Final = ",;:—–)、，；：،؛"
_CLOSERS: Final = "\"'”’»›)]}」』】）》〉"

TYPES: Final[dict[TranscriptFormat, str]] = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
"""As HTTP Content-Types."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once."""

    start: float
    end: float
    lines: tuple[str, ...]
    """One or two."""


def cues(words: Sequence[Word | SpokenWord]) -> list[Cue]:
    """All words in order, in the cheapest cues: whole sentences and clauses, neither crammed nor scattered."""
    script = _Script(_broken(words))
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(script.words) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            seconds = script.words[end - 1].end - script.words[start].start
            if start < end - 1 and (seconds > LONGEST or script.split(start, end) is None):
                break
            options.append((best[start][0] + script.cost(start, end), start))
        best.append(min(options))
    runs: list[tuple[int, int]] = []
    end = len(script.words)
    while end:
        runs.append((best[end][1], end))
        end = best[end][1]
    return script.timed(runs[::-1])


def written(words: Sequence[Word | SpokenWord], format: SubtitleFormat) -> bytes:
    """A file of subtitles, UTF-8."""
    return (_vtt if format == "vtt" else _srt)(cues(words)).encode()


def as_file(transcription: Transcription, format: TranscriptFormat) -> bytes:
    """In any of the formats, UTF-8."""
    if format == "json":
        return transcription.model_dump_json().encode()
    if format == "text":
        return f"{transcription.text}\n".encode()
    return written(transcription.words, format)


def as_transcription(found: Transcript, seconds: float, backend: str) -> Transcription:
    """The same for clients."""
    words = tuple(
        SpokenWord(
            text=word.text, start=round(word.start, 3), end=round(word.end, 3), confidence=round(word.confidence, 3)
        )
        for word in found.words
    )
    sounds = found.phonemes
    return Transcription(
        text=found.text,
        language=found.language,
        seconds=round(seconds, 3),
        confidence=round(found.confidence, 3),
        no_speech=round(found.no_speech, 3),
        words=words,
        phonemes=None
        if sounds is None
        else tuple(SpokenSound(ipa=p.ipa, start=round(p.start, 3), end=round(p.end, 3)) for p in sounds),
        backend=backend,
    )


def _broken(words: Sequence[Word | SpokenWord]) -> list[Word]:
    """Words longer than a line in pieces, in equal parts of their time."""
    whole: list[Word] = []
    for word in words:
        pieces = [""]
        for character in word.text:
            if _width(pieces[-1] + character) > LINE:
                pieces.append("")
            pieces[-1] += character
        step = (word.end - word.start) / len(pieces)
        whole += [Word(word.start + n * step, word.start + (n + 1) * step, piece) for n, piece in enumerate(pieces)]
    return whole


class _Script:
    """Words, and what a run of them, `start` up to but without `end`, would be as a cue."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        texts = [word.text for word in words]
        self._gaps = [len(joined(pair)) - len(pair[0]) - len(pair[1]) for pair in pairwise(texts)] + [0] * bool(texts)
        # How wide everything before a word is, the space before it included.
        self._places = [0, *accumulate(_width(text) + gap for text, gap in zip(texts, self._gaps, strict=True))]
        self._ends = [ends_sentence(text) for text in texts]
        self._clauses = [end or _clause(text) for end, text in zip(self._ends, texts, strict=True)]

    def text(self, start: int, end: int) -> str:
        return joined(word.text for word in self.words[start:end])

    def width(self, start: int, end: int) -> int:
        return self._places[end] - self._places[start] - self._gaps[end - 1]

    def split(self, start: int, end: int) -> int | None:
        """Where the second line begins: after punctuation if possible, else evenly with the longer line below. `end` is
        no second line; None is that it does not fit into two."""
        if self.width(start, end) <= LINE:
            return end
        options = []
        for place in range(start + 1, end):
            upper, lower = self.width(start, place), self.width(place, end)
            if max(upper, lower) <= LINE:
                uneven = abs(lower - upper) + (4 if upper > lower else 0)
                options.append((uneven - (15 if self._clauses[place - 1] else 0), place))
        return min(options)[1] if options else None

    def cost(self, start: int, end: int) -> float:
        """What is wrong with it."""
        run, following = self.words[start:end], self.words[end] if end < len(self.words) else None
        seconds = max(run[-1].end - run[0].start, 0.1)
        room = LONGEST if following is None else max(following.start - run[0].start - GAP, 0.1)
        cost = 1.0  # every cue is one more to look at
        read = self.width(start, end) / PACE
        cost += 4.0 * max(0.0, read / min(max(seconds, read), room) - 1)
        cost += 3.0 * max(0.0, SHORTEST - room)
        if following is not None and not self._ends[end - 1] and following.start - run[-1].end < PAUSE:
            cost += 1.2 if self._clauses[end - 1] else 3.0
        cost += sum(2.0 for one, other in pairwise(run) if other.start - one.end >= PAUSE)
        cost += 1.2 * sum(self._ends[start : end - 1])
        return cost + (0.3 if self.split(start, end) != end else 0.0)

    def timed(self, runs: Sequence[tuple[int, int]]) -> list[Cue]:
        """Each from its first word on, for as long as it is said and takes to be read, as far as the next one lets
        it."""
        found = []
        for number, (start, end) in enumerate(runs):
            place = self.split(start, end) or end
            lines = tuple(self.text(*part) for part in ((start, place), (place, end)) if part[0] < part[1])
            begin, said = self.words[start].start, self.words[end - 1].end
            until = min(max(said, begin + SHORTEST, begin + self.width(start, end) / PACE), begin + LONGEST)
            if number + 1 < len(runs):
                following = self.words[runs[number + 1][0]].start
                until = min(until, max(following - GAP, (begin + following) / 2))
            found.append(Cue(begin, max(until, begin + 0.001), lines))
        return found


def ends_sentence(text: str) -> bool:
    """Whether a word is the last of its sentence."""
    return text.rstrip(_CLOSERS)[-1:] in _ENDS and bool(text.rstrip(_CLOSERS))


def _clause(text: str) -> bool:
    return text.rstrip("\"'”’»›")[-1:] in _CLAUSES


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c))


def _srt(shown: Sequence[Cue]) -> str:
    return "\n".join(
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n" + "\n".join(cue.lines) + "\n"
        for number, cue in enumerate(shown, 1)
    )


def _vtt(shown: Sequence[Cue]) -> str:
    return "WEBVTT\n" + "".join(
        f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n" + "\n".join(map(_escaped, cue.lines)) + "\n"
        for cue in shown
    )


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float, mark: str) -> str:
    thousandths = round(seconds * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{rest:03}"

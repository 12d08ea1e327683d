"""What is spoken: sound, with the sounds and words in it and their times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""(n,) float32 mono in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Phoneme:
    """One spoken sound. `ipa` may carry stress marks (ˈ ˌ) and length (ː); silence is the empty string."""

    start: float
    end: float
    ipa: str


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word: when, and how it is written."""

    start: float
    end: float
    """Seconds, after `start`; the next word begins then or later."""
    text: str
    """As it stands in the text, with the punctuation beside it and without white space: `Hello,`."""
    confidence: float = 1.0
    """0 to 1: how sure it is that it was said, and then."""


_Spoken = TypeVar("_Spoken", Phoneme, Word)


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken sound. `phonemes` covers the clip in order without overlap, or is None where unknown."""

    samples: Samples
    sample_rate: int
    phonemes: tuple[Phoneme, ...] | None
    language: str
    words: tuple[Word, ...] | None = None
    """In order without overlap; None where unknown."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def frame_count(self, fps: Fraction) -> int:
        """Video frames that cover the sound: the smallest whole number not shorter than it, at least 1."""
        return frame_count(len(self.samples), self.sample_rate, fps)

    @staticmethod
    def join(parts: Iterable[Speech]) -> Speech:
        """One after another, sample-exact. Rates must agree; phonemes and words are kept if every part has them."""
        parts = list(parts)
        if not parts:
            raise ValueError("nothing to join")
        rate = parts[0].sample_rate
        if any(part.sample_rate != rate for part in parts):
            raise ValueError("sample rates differ")
        phonemes: list[Phoneme] | None = []
        words: list[Word] | None = []
        offset = 0
        for part in parts:
            shift = offset / rate
            if words is not None and part.words is not None:
                words += [replace(w, start=w.start + shift, end=w.end + shift) for w in part.words]
            else:
                words = None
            if phonemes is not None and part.phonemes is not None:
                phonemes += [replace(p, start=p.start + shift, end=p.end + shift) for p in part.phonemes]
            else:
                phonemes = None
            offset += len(part.samples)
        samples = np.concatenate([part.samples for part in parts])
        return Speech(
            samples,
            rate,
            tuple(phonemes) if phonemes is not None else None,
            parts[0].language,
            tuple(words) if words is not None else None,
        )

    def cut(self, start: int, end: int) -> Speech:
        """Samples `start` to `end` as a speech of its own, with what is spoken in them."""
        samples = self.samples[start:end]
        begin, seconds = start / self.sample_rate, len(samples) / self.sample_rate

        def inside(spoken: _Spoken) -> _Spoken:
            return replace(spoken, start=max(0.0, spoken.start - begin), end=min(seconds, spoken.end - begin))

        def those(spoken: tuple[_Spoken, ...] | None) -> tuple[_Spoken, ...] | None:
            if spoken is None:
                return None
            return tuple(inside(s) for s in spoken if s.end > begin and s.start < begin + seconds)

        return Speech(samples, self.sample_rate, those(self.phonemes), self.language, those(self.words))


def frame_count(samples: int, sample_rate: int, fps: Fraction) -> int:
    """Video frames that cover so many samples: the smallest whole number not shorter than them, at least 1."""
    return max(1, -(-samples * fps.numerator // (sample_rate * fps.denominator)))


def sample_at(frame: int, sample_rate: int, fps: Fraction) -> int:
    """The sample with which a video frame begins."""
    return frame * sample_rate * fps.denominator // fps.numerator

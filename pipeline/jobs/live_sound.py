"""The sound of a live session: a silence without end, in which sentences are said and may be cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipeline.contracts import Phoneme, Samples, Speech
from pipeline.nodes.speech import closed

CUT_SECONDS: Final = 0.03
"""Of the fade with which speech is cut off: short, and without a click."""
CALM_SECONDS: Final = 0.4
"""Of the fade that the face hears instead. The head moves with the voice: it comes to rest, and does not stop dead."""
CLOSING_SECONDS: Final = 0.06
"""In which the mouth ends the sound that it was making."""


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in the sound, from sample `at` on."""

    at: int
    text: str
    heard: Speech
    """As the face hears it."""
    played: Samples
    """As it sounds."""
    voiced: int
    """The sample of the sound with which it has been said; what follows is its pause."""
    before: tuple[str, ...] | None = None
    """Where it is the rest of a sentence of which the beginning stands before it: the words of that."""

    @property
    def end(self) -> int:
        return self.at + max(len(self.played), len(self.heard.samples))


class LiveSound:
    """Sentences one after another, joined to the sample, at `rate`. The last one may be unfinished."""

    def __init__(self, rate: int, language: str) -> None:
        self._rate = rate
        self._language = language
        self._said: list[Said] = []
        self._phonemes = True
        """Whether the voice tells them: those of silence are known, but in one sound there are either all or none."""
        self._unfinished = False
        """Whether more of the last sentence comes, and goes on where it ends."""
        self._known = 0
        """Samples of the last sentence that are in the sound."""
        self.cuts = 0
        """How often something was cut off: what was drawn before may show what is not said any more."""

    @property
    def end(self) -> int:
        """The sample from which on nothing is said, pauses included."""
        return self._said[-1].end if self._said else 0

    def say(self, text: str, speech: Speech, earliest: int, *, whole: bool = True) -> Said:
        """Puts a sentence, at this rate, after those that are there, and not before sample `earliest`; or, if that is
        not the `whole` of it, its beginning."""
        self._phonemes = speech.phonemes is not None
        self._unfinished, self._known = not whole, len(speech.samples)
        said = _placed(max(self.end, earliest), text, speech, None)
        self._said.append(said)
        return said

    def go_on(self, speech: Speech, earliest: int, *, whole: bool) -> None:
        """More is known of the last sentence: `speech` is all of that. It goes on where it ended, or, where `hold` made
        it pause there, not before sample `earliest`."""
        last = self._said[-1]
        if self._unfinished:
            known = speech if last.before is None else _begun(speech, self._known - len(last.played), self._rate)
            self._said[-1] = _placed(last.at, last.text, known, last.before)
        elif len(speech.samples) > self._known:
            words = (*(last.before or ()), *(word.text for word in last.heard.words or ()))
            rest = _begun(speech, self._known, self._rate)
            self._said.append(_placed(max(self.end, earliest), last.text, rest, words))
        self._unfinished, self._known = not whole, len(speech.samples)

    def hold(self, until: float) -> None:
        """Where the last sentence is unfinished and not known up to sample `until`, it pauses where it is known to,
        without a click."""
        if not self._unfinished or self.end >= until:
            return
        self._unfinished, last = False, self._said[-1]
        fade = round(CUT_SECONDS * self._rate)
        samples = _faded(last.played, max(0, len(last.played) - fade), fade)
        self._said[-1] = replace(last, heard=replace(last.heard, samples=samples), played=samples)

    def until(self, said: Said) -> int | None:
        """The sample with which that sentence has been said; None where it is unfinished."""
        return None if self._unfinished and said is self._said[-1] else said.voiced

    def stop(self, at: int) -> str | None:
        """Cuts off what is said from sample `at` on. What was said of that sentence by then; empty where the voice does
        not know its words, None where nothing was being said: also in the pause after a sentence, and while the face
        comes to rest after the last time."""
        self._unfinished = False
        kept = [said for said in self._said if said.at < at and said.voiced <= at]
        if len(kept) == len(self._said):
            return None
        cut = next((said for said in self._said if said.at < at < said.voiced), None)
        self.cuts += 1
        self._said = kept
        if cut is None:
            return None
        count = at - cut.at
        samples = _faded(cut.played, count, round(CUT_SECONDS * self._rate))
        calm = _faded(cut.heard.samples, count, round(CALM_SECONDS * self._rate))
        seconds = count / self._rate
        words = tuple(word for word in cut.heard.words or () if word.start < seconds)
        phonemes = _silenced(cut.heard.phonemes, seconds, len(calm) / self._rate)
        heard = replace(cut.heard, samples=calm, phonemes=phonemes, words=words)
        self._said.append(replace(cut, heard=heard, played=samples, voiced=at))
        return " ".join([*(cut.before or ()), *(word.text for word in words)])

    def beginning(self, start: int, end: int) -> list[Said]:
        """Sentences that begin in samples `start` to `end`."""
        return [said for said in self._said if start <= said.at < end and said.before is None]

    @property
    def voiced(self) -> int:
        """The sample with which the last sentence has been said."""
        return self._said[-1].voiced if self._said else 0

    def heard(self, start: int, end: int) -> Speech:
        """Samples `start` to `end` as the face hears them, with what is spoken in them."""
        parts, at = [], start
        for said in self._said:
            low, high = max(said.at, start), min(said.at + len(said.heard.samples), end)
            if low < high:
                parts += [self._silence(low - at), said.heard.cut(low - said.at, high - said.at)]
                at = high
        parts.append(self._silence(end - at))
        return replace(Speech.join(part for part in parts if len(part.samples)), language=self._language, words=None)

    def played(self, start: int, end: int) -> Samples:
        """The same as it sounds."""
        samples = np.zeros(end - start, np.float32)
        for said in self._said:
            low, high = max(said.at, start), min(said.at + len(said.played), end)
            if low < high:
                samples[low - start : high - start] = said.played[low - said.at : high - said.at]
        return samples

    def forget(self, before: int) -> None:
        """Lets go what nobody asks for any more. The last sentence stays."""
        self._said = [said for said in self._said[:-1] if said.end > before] + self._said[-1:]

    def _silence(self, count: int) -> Speech:
        phonemes = (Phoneme(0, count / self._rate, ""),) if self._phonemes else None
        return Speech(np.zeros(count, np.float32), self._rate, phonemes, self._language)


def quiet_before(speech: Speech) -> float:
    """Seconds of silence that it begins with, where its phonemes say so."""
    return speech.phonemes[0].end if speech.phonemes and not speech.phonemes[0].ipa else 0.0


def _placed(at: int, text: str, speech: Speech, before: tuple[str, ...] | None) -> Said:
    return Said(at, text, speech, speech.samples, at + len(closed(speech).samples), before)


def _begun(speech: Speech, first: int, rate: int) -> Speech:
    """From sample `first` on, without a click."""
    rest = speech.cut(first, len(speech.samples))
    samples, fade = rest.samples.copy(), round(CUT_SECONDS * rate)
    count = min(fade, len(samples))
    samples[:count] *= (0.5 - 0.5 * np.cos(np.pi * (np.arange(count) + 0.5) / fade)).astype(np.float32)
    return replace(rest, samples=samples)


def _faded(samples: Samples, count: int, fade: int) -> Samples:
    """`count` of the samples, and a fade of the next."""
    rest = samples[count : count + fade]
    ramp = (0.5 + 0.5 * np.cos(np.pi * (np.arange(len(rest)) + 0.5) / fade)).astype(np.float32)
    return np.concatenate([samples[:count], rest * ramp])


def _silenced(phonemes: tuple[Phoneme, ...] | None, seconds: float, end: float) -> tuple[Phoneme, ...] | None:
    """Those up to `seconds`, the sound that is being made then brought to an end, and silence up to `end`."""
    if phonemes is None:
        return None
    shut = min(seconds + CLOSING_SECONDS, end)
    kept = [replace(phoneme, end=min(phoneme.end, shut)) for phoneme in phonemes if phoneme.start < seconds]
    last = kept[-1].end if kept else 0.0
    return (*kept, Phoneme(last, end, "")) if last < end else tuple(kept)

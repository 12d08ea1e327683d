"""The sound of a live session: a silence without end, in which sentences are said and may be cut off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipeline.contracts import Phoneme, Samples, Speech
from pipeline.media.resampler import Resampler
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

    @property
    def end(self) -> int:
        return self.at + max(len(self.played), len(self.heard.samples))


class LiveSound:
    """Sentences one after another, joined to the sample, at `rate` whatever rate they were spoken in."""

    def __init__(self, rate: int, language: str) -> None:
        self._rate = rate
        self._language = language
        self._said: list[Said] = []
        self._phonemes = True
        """Whether the voice tells them: those of silence are known, but in one sound there are either all or none."""
        self.cuts = 0
        """How often something was cut off: what was drawn before may show what is not said any more."""

    @property
    def end(self) -> int:
        """The sample from which on nothing is said, pauses included."""
        return self._said[-1].end if self._said else 0

    def say(self, text: str, speech: Speech, earliest: int) -> Said:
        """Puts a sentence, at this rate, after those that are there, and not before sample `earliest`."""
        self._phonemes = speech.phonemes is not None
        at = max(self.end, earliest)
        said = Said(at, text, speech, speech.samples, at + len(closed(speech).samples))
        self._said.append(said)
        return said

    def stop(self, at: int) -> str | None:
        """Cuts off what is said from sample `at` on. What was said of that sentence by then; empty where the voice does
        not know its words, None where nothing was being said: also in the pause after a sentence, and while the face
        comes to rest after the last time."""
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
        self._said.append(Said(cut.at, cut.text, heard, samples, at))
        return " ".join(word.text for word in words)

    def beginning(self, start: int, end: int) -> list[Said]:
        """Sentences that begin in samples `start` to `end`."""
        return [said for said in self._said if start <= said.at < end]

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


def resampled(speech: Speech, rate: int) -> Speech:
    """The same at another rate, as long to the nearest sample."""
    if speech.sample_rate == rate:
        return speech
    count = round(len(speech.samples) * rate / speech.sample_rate)
    resampler = Resampler(speech.sample_rate, rate)
    samples = np.concatenate([resampler.feed(speech.samples), resampler.finish()])[:count]
    return replace(speech, samples=np.pad(samples, (0, count - len(samples))), sample_rate=rate)


def quiet_before(speech: Speech) -> float:
    """Seconds of silence that it begins with, where its phonemes say so."""
    return speech.phonemes[0].end if speech.phonemes and not speech.phonemes[0].ipa else 0.0


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

"""A known text as a template to be found in a recording: said by espeak-ng, with room for a pause after any word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.transcribe.cepstra import RATE, Spectra, mel
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import Speech, SpeechRequest

PAUSE: Final = -1
"""Stands for a frame, a phoneme or a word in states of silence."""


@dataclass(frozen=True, slots=True)
class Template:
    """States in the order in which they are said. Those of silence may be passed over: one at the beginning, one at
    the end, one between any two words and one wherever espeak-ng pauses."""

    speech: Speech
    """With its phonemes and words."""
    frames: NDArray[np.int32]
    """(states,) the frame of the speech that each is."""
    phonemes: NDArray[np.int32]
    """(states,) and the phoneme."""
    words: NDArray[np.int32]
    """(states,) and the word."""

    @property
    def silent(self) -> NDArray[np.bool_]:
        return self.frames == PAUSE

    def spectra(self, warp: float = 1.0) -> Spectra:
        """Of the speech, at RATE; `warp` as of a shorter or longer vocal tract."""
        return mel(self.speech.samples, self.speech.sample_rate, warp)

    def backwards(self) -> Template:
        """Another text of the same sounds: its phonemes in the opposite order, pauses between where words ended."""
        order: list[NDArray[np.intp]] = []
        runs = np.flatnonzero(np.diff(self.phonemes)) + 1
        for run in reversed(np.split(np.arange(len(self.frames)), runs)):
            order.append(run)
        index = np.concatenate(order)
        return Template(self.speech, self.frames[index], self.phonemes[index], self.words[index])


def template(text: str, language: str, speed: float = 1.0) -> Template:
    """What espeak-ng makes of the text. Raises what `Espeak.speak` raises."""
    speech = Speech.join(Espeak().speak(SpeechRequest(text, language, speed=speed)))
    phonemes, words = speech.phonemes or (), speech.words or ()
    states: list[tuple[int, int, int]] = [(PAUSE, PAUSE, PAUSE)]
    word = 0
    for number, phoneme in enumerate(phonemes):
        if not phoneme.ipa:
            _pause(states)
            continue
        while word + 1 < len(words) and phoneme.start >= words[word + 1].start - 1e-6:
            word += 1
            _pause(states)
        first, last = round(phoneme.start * RATE), round(phoneme.end * RATE)
        states += [(frame, number, word) for frame in range(first, max(last, first + 1))]
    _pause(states)
    frames, of, spoken = np.array(states, np.int32).T
    return Template(speech, frames, of, spoken)


def _pause(states: list[tuple[int, int, int]]) -> None:
    if states[-1][0] != PAUSE:
        states.append((PAUSE, PAUSE, PAUSE))

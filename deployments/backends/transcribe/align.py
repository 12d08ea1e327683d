"""transcribe-align: finds the words and sounds of a known text in a recording. No model, no download.

espeak-ng says the text, and the recording is warped onto that in time, as in Malfrère and Dutoit, "High-quality speech
synthesis for phonetic speech segmentation", Eurospeech 1997.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.transcribe.cepstra import RATE, Room, Spectra, cepstra, mel, placed, power, room, spread
from deployments.backends.transcribe.matching import apart
from deployments.backends.transcribe.template import Template, template
from deployments.backends.transcribe.warping import FASTEST, Warped, warp
from pipeline.contracts import Phoneme, Transcript, TranscriptionRequest, Word
from pipeline.errors import InvalidRequest, InvalidText, TooLarge

LONGEST: Final = 1200.0
"""Seconds of a recording: memory grows with it."""
PACES: Final = (0.5, 2.0)
"""How much slower and quicker than its own pace espeak-ng is asked to speak, to come near the recording's."""
NEAR: Final = 1.2
"""Times that the two paces may be apart without that."""
FOREIGN: Final = (1.3, 0.7)
"""What a frame before and after the text costs at most. As much as one that does not match: noises are let pass, and
all the rest has to be the text. Little more than one that does, where that gives nothing `CREDIBLE`: something else may
be said there then."""
CREDIBLE: Final = 0.1
"""By what share a text that is said fits better than chance, at least as a rule."""
CHANCE, CERTAIN = 0.05, 0.35
"""By what share the text fits better than the same sounds in another order: at the first confidence is 0, at the
second 1."""
NEIGHBOURS: Final = 0.4
"""Seconds to each side of a word that its confidence is measured over as well: a short one says too little."""


class Align:
    """A `TranscribeModel` for text that is known."""

    def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """As `TranscribeModel` says. Raises `InvalidRequest` with code text_needed without a text, `InvalidText` with
        code text_mismatch for one too long for the recording, and `TooLarge` past `LONGEST`."""
        if request.text is None:
            raise InvalidRequest(
                "The backend align finds a known text in a recording; it can't tell what is said.",
                code="text_needed",
                field="text",
                accepted="what is said; without it, the backend whisper, enabled under transcribe.backends",
            )
        seconds = len(request.samples) / request.sample_rate
        if seconds > LONGEST:
            raise TooLarge(
                f"The recording lasts {seconds:.0f} s.",
                code="audio_too_long",
                field="audio",
                accepted=f"at most {LONGEST:g} s for the backend align",
            )
        heard = mel(request.samples, request.sample_rate)
        where = room(heard)
        language = (request.language or "en").lower()
        text = template(request.text, language)
        pace = _spoken_seconds(heard, where) * RATE / len(text.frames)
        if not 1 / NEAR < pace < NEAR:
            text = template(request.text, language, float(np.clip(1 / pace, *PACES)))
        found, gain = _found(heard, where, text)
        words = _words(text, found, gain, seconds)
        sure = _confidence(gain[~text.silent[found.path]])
        return Transcript(request.text, language, words, _phonemes(text, found, seconds), sure)


def _spoken_seconds(heard: Spectra, where: Room) -> float:
    total = power(heard)
    floor = float(power(where.noise[None])[0])
    return max(float(np.count_nonzero(total > max(where.loud - 30, floor + 6))) / RATE, 0.1)


def _found(heard: Spectra, where: Room, text: Template) -> tuple[Warped, NDArray[np.float32]]:
    """The text in the recording, and for each frame by what share it fits better than by chance."""
    said = cepstra(placed(text.spectra(), where), where)
    silence = cepstra(where.noise[None], where)[0]
    scale = spread(said)
    recording = cepstra(heard, where) / scale
    opposite = text.backwards()  # the same sounds in another order say what chance is
    best: tuple[float, Warped, NDArray[np.float32]] | None = None
    for foreign in FOREIGN:
        found, other = (_warped(recording, order, said / scale, silence / scale, foreign) for order in (text, opposite))
        if found is None:
            raise InvalidText(
                f"The text takes more than {FASTEST} times as long as the recording.",
                code="text_mismatch",
                field="text",
                accepted="what is said in the recording",
            )
        chance = foreign if other is None else float(other.costs[~opposite.silent[other.path]].mean())
        gain = 1 - found.costs / np.float32(chance)
        mean = float(gain[~text.silent[found.path]].mean())
        if best is None or mean > best[0]:
            best = mean, found, gain
        if mean >= CREDIBLE:
            break
    assert best is not None  # noqa: S101 - one way at least was tried
    return best[1:]


def _warped(
    recording: NDArray[np.float32], order: Template, said: Spectra, silence: NDArray[np.float32], foreign: float
) -> Warped | None:
    spoken = said[np.clip(order.frames, 0, len(said) - 1)]
    states = np.where(order.silent[:, None], silence, spoken).astype(np.float32)
    ceiling = np.full(len(states), np.inf, np.float32)
    ceiling[[0, -1]] = foreign
    return warp(recording, states, ceiling, order.silent)


def _confidence(gain: NDArray[np.float32]) -> float:
    return float(np.clip((gain.mean() - CHANCE) / (CERTAIN - CHANCE), 0, 1)) if len(gain) else 0.0


def _words(text: Template, found: Warped, gain: NDArray[np.float32], seconds: float) -> tuple[Word, ...]:
    of = text.words[found.path]
    spoken = np.flatnonzero(of >= 0)
    around = round(NEIGHBOURS * RATE)
    words: list[Word] = []
    for number, word in enumerate(text.speech.words or ()):
        rows = np.flatnonzero(of == number)
        if not len(rows):  # passed over: it has no more than a moment, where the next one begins
            place = next(iter(spoken[of[spoken] > number]), len(of) - 1)
            words.append(Word(_edge(place, seconds), _edge(place, seconds), word.text, 0.0))
            continue
        near = spoken[(spoken >= rows[0] - around) & (spoken <= rows[-1] + around)]
        start, end = _edge(rows[0], seconds), _edge(rows[-1] + 1, seconds)
        words.append(Word(start, end, word.text, _confidence(gain[near])))
    return apart(words, seconds)


def _phonemes(text: Template, found: Warped, seconds: float) -> tuple[Phoneme, ...]:
    """From the beginning to the end of the recording; those that were passed over are left out."""
    of = text.phonemes[found.path]
    bounds = [0, *(np.flatnonzero(np.diff(of)) + 1).tolist(), len(of)]
    known = text.speech.phonemes or ()
    made: list[Phoneme] = []
    for first, last in pairwise(bounds):
        start, end = _edge(first, seconds) if first else 0.0, _edge(last, seconds) if last < len(of) else seconds
        if end > start:
            made.append(Phoneme(start, end, known[of[first]].ipa if of[first] >= 0 else ""))
    return tuple(made)


def _edge(row: int, seconds: float) -> float:
    """Where a frame begins: it is centred on its time."""
    return float(min(max((int(row) - 0.5) / RATE, 0.0), seconds))

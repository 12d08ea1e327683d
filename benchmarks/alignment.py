"""How well the words of a known text are found: other voices than the aligner's own, whose word times are known.

    python -m benchmarks.alignment

For each voice: median and 90th percentile of the error at the beginnings of words and at their ends, in milliseconds,
confidence, confidence with a text that was not said, CPU seconds per second of speech, and how well the lips follow:
the correlation of the opening that the true phonemes make with that from the sound alone, and with that from the
phonemes that were found. flite's voices appear where
it is installed; its words are those whose phones, said alone, add up to the phones of the sentence.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from benchmarks.viseme_corpus import HELD_OUT, flite
from benchmarks.visemes import FPS, correlation, from_phonemes, from_sound, noisy
from deployments.backends.lipsync.visemes.track import mouth_track
from deployments.backends.transcribe.align import Align
from deployments.backends.voice.espeak import Espeak
from pipeline.contracts import Speech, SpeechRequest, Transcript, TranscriptionRequest, Word
from pipeline.errors import InvalidText

TIMBRES = ("klatt4", "f5", "m7", "Annie", "Michael")
LANGUAGES = ("de", "fr", "es", "it", "hi", "ja")


def spoken(text: str, language: str, voice: str | None = None, speed: float = 1.0, pitch: float = 0.0) -> Speech:
    """By espeak-ng, with its own word times."""
    return Speech.join(Espeak().speak(SpeechRequest(text, language, voice, speed=speed, pitch=pitch)))


@lru_cache(maxsize=512)
def _phones(word: str, voice: str) -> int:
    return sum(bool(phoneme.ipa) for phoneme in flite(word, voice).phonemes or ())


def spoken_by_flite(text: str, voice: str) -> Speech | None:
    """With word times; None where the phones of the words alone don't add up to those of the text."""
    speech = flite(text, voice)
    sounds = [phoneme for phoneme in speech.phonemes or () if phoneme.ipa]
    words: list[Word] = []
    place = 0
    for text_of in text.split():
        count = _phones(text_of.strip(".,!?"), voice)
        mine = sounds[place : place + count]
        if len(mine) < count:
            return None
        words.append(Word(mine[0].start, mine[-1].end, text_of))
        place += count
    return replace(speech, words=tuple(words)) if place == len(sounds) else None


def paused(speech: Speech, seconds: float, every: int) -> Speech:
    """With a pause before every so-manieth word."""
    rng = np.random.default_rng(0)
    parts, words, last, shift = [], [], 0, 0.0
    for number, word in enumerate(speech.words or ()):
        if number and number % every == 0:
            cut = round(word.start * speech.sample_rate)
            silence = rng.normal(0, 1e-4, round(seconds * speech.sample_rate)).astype(np.float32)
            parts += [speech.samples[last:cut], silence]
            last, shift = cut, shift + seconds
        words.append(replace(word, start=word.start + shift, end=word.end + shift))
    return replace(speech, samples=np.concatenate([*parts, speech.samples[last:]]), words=tuple(words), phonemes=None)


def rows() -> Iterable[tuple[str, str, list[Speech], list[str]]]:
    """Name, language, clips and their texts."""
    texts = list(HELD_OUT["en-us"])
    if shutil.which("flite"):
        for voice in ("slt", "rms", "awb", "kal16"):
            found = [(speech, text) for text in texts if (speech := spoken_by_flite(text, voice))]
            clips, said = [speech for speech, _ in found], [text for _, text in found]
            yield f"flite {voice}", "en-us", clips, said
            if voice in ("slt", "rms"):
                yield f"flite {voice}, noise 20 dB", "en-us", [noisy(clip, 20) for clip in clips], said
                yield f"flite {voice}, noise 10 dB", "en-us", [noisy(clip, 10) for clip in clips], said
                yield f"flite {voice}, pauses", "en-us", [paused(clip, 0.7, 4) for clip in clips], said
    for timbre in TIMBRES:
        yield f"espeak {timbre}", "en-us", [spoken(text, "en-us", timbre) for text in texts], texts
    for speed in (0.6, 1.8):
        yield f"espeak f5, speed {speed}", "en-us", [spoken(text, "en-us", "f5", speed=speed) for text in texts], texts
    clips = [noisy(spoken(text, "en-us", "m7", pitch=5, speed=1.2), 10) for text in texts]
    yield "espeak m7, +5, 1.2, noise 10 dB", "en-us", clips, texts
    for language in LANGUAGES:
        texts = list(HELD_OUT[language])
        yield f"espeak {language} f5", language, [spoken(text, language, "f5") for text in texts], texts


def errors(clip: Speech, found: tuple[Word, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds at the beginnings and at the ends."""
    truth = clip.words or ()
    starts = [1000 * abs(a.start - b.start) for a, b in zip(truth, found, strict=True)]
    ends = [1000 * abs(a.end - b.end) for a, b in zip(truth, found, strict=True)]
    return np.array(starts), np.array(ends)


def lips(clip: Speech, found: Transcript) -> tuple[float, float] | None:
    """Correlation of the mouth's opening with the true one: heard from the sound, and by the text."""
    if clip.phonemes is None:
        return None
    frames = max(1, int(clip.seconds * FPS))
    by_text = mouth_track(replace(clip, phonemes=found.phonemes), FPS, frames).opening()
    true, heard = from_phonemes(clip).opening(), from_sound(clip, None).opening()
    return correlation(true, heard), correlation(true, by_text)


def main() -> None:
    align = Align()
    print("                                  beginnings     ends          confidence                            lips")
    print(
        "voice                            median   90 % median   90 %   right  least  wrong  most"
        "  CPU-s per s    sound    text"
    )
    everything = []
    for name, language, clips, texts in rows():
        starts, ends, right, wrong, spent = [], [], [], [], 0.0
        followed = []
        for number, (clip, text) in enumerate(zip(clips, texts, strict=True)):
            begun = time.process_time()
            found = align.transcribe(TranscriptionRequest(clip.samples, clip.sample_rate, text, language))
            spent += time.process_time() - begun
            right.append(found.confidence)
            if (both := lips(clip, found)) is not None:
                followed.append(both)
            one, other = errors(clip, found.words)
            starts.append(one)
            ends.append(other)
            decoy = texts[(number + 1) % len(texts)] if len(texts) > 1 else HELD_OUT["en-us"][0]
            try:
                asked = TranscriptionRequest(clip.samples, clip.sample_rate, decoy, language)
                wrong.append(align.transcribe(asked).confidence)
            except InvalidText:
                wrong.append(0.0)
        everything.append(np.concatenate(starts + ends))
        figures = [f(np.concatenate(list_)) for list_ in (starts, ends) for f in (np.median, _ninth)]
        print(
            f"{name:33s}"
            + "".join(f"{value:7.0f}" for value in figures)
            + f"{np.mean(right):8.2f}{min(right):7.2f}{np.mean(wrong):7.2f}{max(wrong):6.2f}"
            + f"{spent / sum(clip.seconds for clip in clips):12.4f}"
            + "".join(f"{value:8.2f}" for value in (np.mean(followed, axis=0) if followed else ()))
        )
    print(f"median error of a boundary, over all of them: {np.median(np.concatenate(everything)):.0f} ms")


def _ninth(values: np.ndarray) -> float:
    return float(np.percentile(values, 90))


if __name__ == "__main__":
    main()

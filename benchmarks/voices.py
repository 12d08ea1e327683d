"""Voice profiles in figures: pitch error, intelligibility before and after, and speed.

Each row lets a voice speak twenty sentences plainly and in the tint of another voice, measured from other
sentences. Word error rates are pocketsphinx's with its bundled en-us model: a poor judge of formant synthesis
(espeak-ng), so read them in pairs. With some 170 words, differences of 0.03 are noise. Needs the dev extra;
flite's rows need `apt-get install flite`.

    python benchmarks/voices.py [--sentences N] [SOURCE:TARGET ...]
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from deployments.backends.voice import tint
from deployments.backends.voice.espeak import Espeak
from deployments.backends.voice.flite import Flite
from deployments.backends.voice.world import analyse, resampled
from pipeline.contracts import Speech, SpeechRequest, VoiceTint
from pipeline.errors import Unavailable
from pipeline.models import VoiceModel

SENTENCES = (
    "The old bridge shook when the train went past.",
    "Put the warm bread on the table by the window.",
    "A small brown dog ran after the red ball.",
    "He lost his left glove in the deep snow.",
    "They built a stone wall around the quiet garden.",
    "The cook added salt and pepper to the soup.",
    "Please send the long letter before noon on Friday.",
    "Her brother plays the drum in a school band.",
    "Cold rain fell on the roof all night long.",
    "We watched the ship move slowly out of the harbor.",
    "The child drew a yellow sun above the house.",
    "Fresh paint made the narrow hall look much brighter.",
    "Nine men carried the heavy piano up the stairs.",
    "The teacher wrote the answer on the black board.",
    "Tall grass grew between the rows of young trees.",
    "She found a silver coin at the bottom of the well.",
    "The farmer sold his last two horses in the spring.",
    "A bright light came from the end of the street.",
    "Do not leave your coat on the wooden chair.",
    "The river was too wide and too fast to cross.",
)
REFERENCE = (
    "Some friends of mine moved to a village near the sea. Every morning they walk along the beach, look for "
    "shells, and talk about the weather. Last week a storm took the neighbour's boat away. Who would have thought "
    "that it could come back by itself?"
)
PAIRS = ("flite/rms:flite/slt", "flite/rms:flite/awb", "flite/slt:flite/rms", "flite/awb:espeak/en-us+f3")
PAIRS += ("espeak/en-us:flite/rms", "espeak/en-us:flite/slt", "espeak/klatt4:flite/awb")


@dataclass
class Spoken:
    speeches: list[Speech]
    cpu: float

    @property
    def seconds(self) -> float:
        return sum(speech.seconds for speech in self.speeches)

    @property
    def pitch(self) -> float:
        """Median Hz over all sentences, found as the tint finds it."""
        found = []
        for speech in self.speeches:
            analysis = analyse(resampled(speech.samples, speech.sample_rate, 16000), 16000)
            found.append(analysis.pitch[analysis.active & (analysis.pitch > 0)])
        return float(np.median(np.concatenate(found)))


def speak(model: VoiceModel, voice: str, sentences: tuple[str, ...], colour: VoiceTint | None = None) -> Spoken:
    next(iter(model.speak(SpeechRequest("Warm up.", voice=voice, tint=colour))))  # measures the voice itself, once
    start = time.process_time() + _children()
    speeches = [Speech.join(model.speak(SpeechRequest(text, voice=voice, tint=colour))) for text in sentences]
    return Spoken(speeches, time.process_time() + _children() - start)


def word_error_rate(spoken: Spoken, sentences: tuple[str, ...]) -> float:
    import jiwer
    from pocketsphinx import Decoder

    heard = []
    for speech in spoken.speeches:
        decoder = Decoder(samprate=16000, loglevel="FATAL")
        sound = np.pad(resampled(speech.samples, speech.sample_rate, 16000), 4000)
        sound = sound / np.abs(sound).max() * 0.7
        decoder.start_utt()
        decoder.process_raw((sound * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        heard.append(hypothesis.hypstr if hypothesis else "")
    words = [re.sub(r"[^a-z' ]", "", text.lower()) for text in sentences]
    return float(jiwer.wer(words, heard))


def rows(pairs: tuple[str, ...], sentences: tuple[str, ...]) -> Iterator[str]:
    models: dict[str, VoiceModel] = {"espeak": Espeak()}
    try:
        models["flite"] = Flite()
    except Unavailable as missing:
        print(missing.message)
    plain: dict[str, tuple[Spoken, float]] = {}
    for pair in pairs:
        source, _, target = pair.partition(":")
        if any(name.partition("/")[0] not in models for name in (source, target)):
            continue
        engine, _, voice = source.partition("/")
        reference_engine, _, reference_voice = target.partition("/")
        reference = Speech.join(models[reference_engine].speak(SpeechRequest(REFERENCE, voice=reference_voice)))
        colour = tint.measure(reference.samples, reference.sample_rate)
        if source not in plain:
            spoken = speak(models[engine], voice, sentences)
            plain[source] = (spoken, word_error_rate(spoken, sentences))
        before, error_before = plain[source]
        after = speak(models[engine], voice, sentences, colour)
        error_after = word_error_rate(after, sentences)
        off = [12 * math.log2(spoken.pitch / colour.pitch_hz) for spoken in (before, after)]
        speed = [spoken.cpu / spoken.seconds for spoken in (before, after)]
        yield (
            f"{source:>16} -> {target:<16} {off[0]:+7.2f} {off[1]:+7.2f}   {error_before:5.3f} {error_after:5.3f}"
            f"   {speed[0]:6.4f} {speed[1]:6.4f}   {after.seconds / before.seconds:5.2f}"
        )


def _children() -> float:
    """CPU seconds of finished child processes: flite's share."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=len(SENTENCES))
    parser.add_argument("pairs", nargs="*", default=PAIRS, help="such as flite/rms:flite/slt")
    arguments = parser.parse_args()
    print(f"{'':36} pitch, semitones   word errors      CPU s per s      length")
    print(f"{'voice -> in the tint of':36} before   after   before after   before  after    ratio")
    for row in rows(tuple(arguments.pairs), SENTENCES[: arguments.sentences]):
        print(row, flush=True)


if __name__ == "__main__":
    main()

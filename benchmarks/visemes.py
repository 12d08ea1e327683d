"""How well the mouth follows: audio-driven against phoneme-driven visemes, on voices and sentences never trained on.

    python benchmarks/visemes.py [--weights FILE]

For each held-out voice and language: correlation of opening, jaw, width and rounding between the track made from
the sound alone and the one made from the phoneme times, best lag, the opening at m, b, p (and f, v) relative to
the mean opening, and CPU seconds per second of speech. Voices of flite appear where it is installed.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from viseme_corpus import HELD_OUT, Espeak, flite

from deployments.backends.lipsync.mouth import MouthTrack
from deployments.backends.lipsync.visemes.network import Network
from deployments.backends.lipsync.visemes.track import mouth_track
from pipeline.contracts import Speech

FPS = Fraction(25)
UNSEEN = ("klatt4", "f5", "m7", "Annie", "Michael")


def held_out() -> Iterable[tuple[str, list[Speech]]]:
    """(name of the row, clips)."""
    if shutil.which("flite"):
        for voice in ("slt", "rms", "awb", "kal16"):
            yield f"flite {voice}", [flite(text, voice) for text in HELD_OUT["en-us"]]
    espeak = Espeak()
    for language, texts in HELD_OUT.items():
        voices = [f"{language}+{variant}" for variant in UNSEEN]
        yield f"espeak {language}", [espeak.say(text, voice) for text in texts for voice in voices]


def tracks(clips: list[Speech]) -> tuple[list[MouthTrack], list[MouthTrack], float, float]:
    """Phoneme-driven, audio-driven, and the CPU seconds of each per second of speech."""
    made: list[list[MouthTrack]] = []
    spent: list[float] = []
    for driven in (clips, [replace(clip, phonemes=None) for clip in clips]):
        begun = time.process_time()
        made.append([mouth_track(clip, FPS, max(1, int(clip.seconds * FPS))) for clip in driven])
        spent.append((time.process_time() - begun) / sum(clip.seconds for clip in clips))
    return made[0], made[1], spent[0], spent[1]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def lag(a: np.ndarray, b: np.ndarray) -> int:
    """Frames by which b follows a."""
    rows = {
        k: correlation(a[max(0, -k) : len(a) - max(0, k)], b[max(0, k) : len(b) - max(0, -k)]) for k in range(-6, 7)
    }
    return max(rows, key=rows.__getitem__)


def closure(clips: list[Speech], made: list[MouthTrack], sounds: str) -> float:
    """Opening at the frames that show the middles of some sounds, as a share of the mean opening."""
    seen, everywhere = [], []
    for clip, track in zip(clips, made, strict=True):
        opening = track.opening()
        everywhere.append(opening)
        for phoneme in clip.phonemes or ():
            if phoneme.ipa.strip("ˈˌː")[:1] in sounds.split():
                middle = phoneme.start + 0.42 * (phoneme.end - phoneme.start) - 0.02
                seen.append(opening[min(max(0, int(middle * FPS)), len(opening) - 1)])
    return float(np.mean(seen) / np.mean(np.concatenate(everywhere))) if seen else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="another network.npz than the package's")
    options = parser.parse_args()
    if options.weights:
        loaded = Network.read(options.weights)
        Network.trained = staticmethod(lambda: loaded)
    print("                   audio-driven against phoneme-driven      lag   closure m b p / f v    CPU-s per s")
    print("voice              open    jaw   width   round   press   frames  audio      phonemes    audio phonemes")
    means = []
    for name, clips in held_out():
        wanted, heard, spent_phonemes, spent_audio = tracks(clips)
        columns = {
            "open": (MouthTrack.opening, wanted, heard),
            **{c: ((lambda t, c=c: t[c]), wanted, heard) for c in ("jaw", "wide", "pucker", "press")},
        }
        joined = {
            key: tuple(np.concatenate([of(track) for track in made]) for made in (a, b))
            for key, (of, a, b) in columns.items()
        }
        r = [correlation(*pair) for pair in joined.values()]
        means.append(r)
        shares = [closure(clips, made, sounds) for made in (heard, wanted) for sounds in ("m b p", "f v")]
        print(
            f"{name:16s}"
            + "".join(f"{value:8.2f}" for value in r)
            + f"{lag(*joined['open']):8d}  {shares[0]:.2f} {shares[1]:.2f}  {shares[2]:.2f} {shares[3]:.2f}"
            + f"    {spent_audio:9.4f} {spent_phonemes:.4f}"
        )
    print("mean            " + "".join(f"{value:8.2f}" for value in np.mean(means, axis=0)))


if __name__ == "__main__":
    main()

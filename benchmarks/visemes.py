"""How well the mouth follows: audio-driven against phoneme-driven visemes, on voices and sentences never trained on.

    python -m benchmarks.visemes [--weights FILE]

For each held-out voice and language: correlation of opening, jaw, width and rounding between the track made from
the sound alone and the one made from the phoneme times, best lag in frames, the opening at m, b, p (and f, v)
relative to the mean opening, and CPU seconds per second of speech. Voices of flite appear where it is installed;
rows with noise have white noise added to the sound that the audio-driven side hears.
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

from benchmarks.viseme_corpus import HELD_OUT, espeak, flite
from deployments.backends.lipsync.mouth import MouthTrack
from deployments.backends.lipsync.visemes.network import Network, listen
from deployments.backends.lipsync.visemes.track import mouth_track
from pipeline.contracts import Speech

FPS = Fraction(25)
UNSEEN = ("klatt4", "f5", "m7", "Annie", "Michael")


def held_out() -> Iterable[tuple[str, list[Speech]]]:
    """(name of the row, clips)."""
    if shutil.which("flite"):
        for voice in ("slt", "rms"):
            yield f"flite {voice}", [flite(text, voice) for text in HELD_OUT["en-us"]]
    for language, texts in HELD_OUT.items():
        yield f"espeak {language}", [espeak(text, language, variant=timbre) for text in texts for timbre in UNSEEN]


def noisy(clip: Speech, ratio: float) -> Speech:
    """With white noise so many decibels below the speech."""
    noise = np.random.default_rng(0).standard_normal(len(clip.samples))
    level = np.sqrt(np.mean(np.square(clip.samples))) * 10 ** (-ratio / 20)
    return replace(clip, samples=(clip.samples + level * noise).astype(np.float32))


def from_phonemes(clip: Speech) -> MouthTrack:
    return mouth_track(clip, FPS, max(1, int(clip.seconds * FPS)))


def from_sound(clip: Speech, network: Network | None) -> MouthTrack:
    return listen(clip.samples, clip.sample_rate, network).track(FPS, max(1, int(clip.seconds * FPS)))


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
    network = Network.read(options.weights) if options.weights else None
    rows = list(held_out())
    print("                        audio-driven against phoneme-driven     lag   closures m b p | f v    CPU-s per s")
    print("voice                 open    jaw   width  round   press              audio     phonemes   audio phonemes")
    means = []
    for name, clips in rows:
        for ratio in (None, 20, 10) if name.startswith("flite") else (None,):
            r, line = row(clips, ratio, network)
            means.append(r[0])
            print(f"{name + (f', noise {ratio} dB' if ratio else ''):20s}{line}")
    print(f"mean opening r {np.mean(means):.3f}, least {np.min(means):.3f}")


def row(clips: list[Speech], ratio: float | None, network: Network | None) -> tuple[list[float], str]:
    """Correlations, opening first, and one line of the table."""
    sound = clips if ratio is None else [noisy(clip, ratio) for clip in clips]
    seconds = sum(clip.seconds for clip in clips)
    begun = time.process_time()
    wanted = [from_phonemes(clip) for clip in clips]
    between = time.process_time()
    heard = [from_sound(clip, network) for clip in sound]
    ended = time.process_time()
    pairs = [tuple(np.concatenate([track.opening() for track in made]) for made in (wanted, heard))]
    for channel in ("jaw", "wide", "pucker", "press"):
        pairs.append(tuple(np.concatenate([track[channel] for track in made]) for made in (wanted, heard)))
    r = [correlation(*pair) for pair in pairs]
    shares = [closure(clips, made, sounds) for made in (heard, wanted) for sounds in ("m b p", "f v")]
    return r, (
        "".join(f"{value:7.2f}" for value in r)
        + f"{lag(*pairs[0]):7d}   {shares[0]:.2f} | {shares[1]:.2f} {shares[2]:.2f} | {shares[3]:.2f}"
        + f"  {(ended - between) / seconds:.4f} {(between - begun) / seconds:.4f}"
    )


if __name__ == "__main__":
    main()

"""Recordings whose words are known: what F5-TTS takes its voices from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployments.backends.voice import clip
from pipeline.contracts import Samples
from pipeline.errors import InvalidAudio
from pipeline.media.audio import decode_audio

SUFFIXES: Final = (".wav", ".flac", ".mp3", ".ogg")
LONGEST: Final = 15.0
"""Seconds. The published model was trained on 30 at most, and the recording is said along with every sentence."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One person speaking, and what they say."""

    samples: Samples
    sample_rate: int
    text: str
    """Not empty."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate


def recordings(folder: str) -> dict[str, Recording]:
    """Those of a folder, by the names of their files, in order. Raises `ValueError` naming the file that is amiss."""
    root = Path(folder).expanduser()
    files = sorted(path for path in root.iterdir() if path.suffix.lower() in SUFFIXES) if root.is_dir() else []
    if not files:
        raise ValueError(f"`voices`: {folder} is no folder with recordings ({', '.join(SUFFIXES)})")
    found: dict[str, Recording] = {}
    for path in files:
        if path.stem in found:
            raise ValueError(f"`voices`: there are two recordings named {path.stem} in {folder}")
        beside = path.with_suffix(".txt")
        try:
            text = beside.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"`voices`: {beside}, with what is said in {path.name}, can't be read: {error}") from error
        found[path.stem] = recording(path, text)
    return found


def recording(path: Path, text: str) -> Recording:
    """One file, and its text. Raises `ValueError` where a voice can't be taken from it."""
    try:
        samples, rate = decode_audio(path.read_bytes(), field="voices", max_seconds=600)
        clip.check(samples, rate)
    except (OSError, InvalidAudio) as error:
        raise ValueError(f"`voices`: {path} has no usable voice: {error}") from error
    made = Recording(samples, rate, " ".join(text.split()))
    if not made.text:
        raise ValueError(f"`voices`: what is said in {path.name} has to be known, word for word; its text is empty")
    if made.seconds > LONGEST:
        raise ValueError(f"`voices`: {path.name} is {made.seconds:.1f} s long; {LONGEST:g} are accepted at most")
    return made

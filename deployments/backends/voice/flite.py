"""voice-flite: Debian's `flite`. English only, and much easier to understand than formant synthesis."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from deployments.backends.voice import clip, prosody, tint
from deployments.backends.voice.stretch import stretch
from pipeline.contracts import Phoneme, Samples, Speech, SpeechRequest, VoiceTint
from pipeline.errors import BackendFailed, InvalidText, Unavailable, UnknownName
from pipeline.text import sentences

_TAGS = ("en-us", "en")
_DEFAULT = "rms"  # understood best: word error rate 0.175 where kal16 has 0.22, awb 0.23 and slt 0.38
_LEFT_OUT = ("kal", "awb_time")  # kal16 at 8 kHz; tells the time and nothing else

_IPA = {
    **dict.fromkeys(("pau", "ssil", "brth", "h#"), ""),
    **{"aa": "ɑː", "ae": "æ", "ah": "ʌ", "ao": "ɔː", "aw": "aʊ", "ax": "ə", "axr": "ɚ", "ay": "aɪ", "eh": "ɛ"},
    **{"er": "ɜː", "ey": "eɪ", "ih": "ɪ", "ix": "ɪ", "iy": "iː", "ow": "oʊ", "oy": "ɔɪ", "uh": "ʊ", "uw": "uː"},
    **{"b": "b", "ch": "tʃ", "d": "d", "dh": "ð", "dx": "ɾ", "el": "əl", "em": "əm", "en": "ən", "f": "f", "g": "ɡ"},
    **{"hh": "h", "hv": "h", "jh": "dʒ", "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "nx": "n", "p": "p"},
    **{"r": "ɹ", "s": "s", "sh": "ʃ", "t": "t", "th": "θ", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ"},
}
"""The phones of flite's `us` phone set."""

_SPELT = str.maketrans(
    {
        "“": '"',
        "”": '"',
        "„": '"',
        "‘": "'",
        "’": "'",
        "…": "...",
        "–": ", ",
        "—": ", ",
        "€": " euros ",
        "£": " pounds ",
    }
    | {"©": " copyright ", "°": " degrees ", "×": " times ", "ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l"}
)
_CURRENCIES = {"£": "pounds", "€": "euros", "¥": "yen"}
_MONEY = re.compile(r"([£€¥])\s?(\d[\d.,]*\d|\d)")

_LEAD = 0.02
"""Seconds of silence kept before the first sound."""
_SLOWEST, _FASTEST = 2.0, 0.5
"""Stretches of its phones that flite makes without losing their proportions."""
_PATIENCE = 60
"""Seconds for one sentence, which takes 0.05."""
_SAMPLE = (
    "She put seven green boxes by the open door. Why would a careful man choose the longer road? "
    "Thin ice cracked under the heavy wagon, and both young boys jumped away. The map hangs on a nail beside the "
    "lamp. Two large ships came back from the north with fish and wool. My aunt grows beans and roses by the fence."
)
"""What a voice is measured by."""


class Flite:
    """A `VoiceModel`. Sound is at the voice's own rate, 16 kHz. One short process per sentence."""

    def __init__(self, *, program: str = "flite") -> None:
        """`program` is a name on the PATH or a path. Raises `Unavailable` where it is not installed."""
        found = shutil.which(program)
        if found is None:
            raise Unavailable(
                f"There is no program {program!r} here. Install it with: apt-get install flite",
                code="flite_missing",
                accepted="Debian's flite on the PATH",
            )
        self._program = found
        listed = subprocess.run([found, "-lv"], capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
        names = [name for name in listed.partition(":")[2].split() if name not in _LEFT_OUT]
        if not names:
            raise Unavailable(f"{found} lists no voices, so it is not flite.", code="flite_missing")
        self._names = sorted(names, key=lambda name: (name != _DEFAULT, name))
        self._measured: dict[str, VoiceTint] = {}

    def voices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(self._names, _TAGS)

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        prosody.check(request)
        if request.language.lower().replace("_", "-").partition("-")[0] != "en":
            raise UnknownName.of("language", request.language, _TAGS)
        voice = self._names[0] if request.voice is None else request.voice.strip().lower()
        if voice not in self._names:
            raise UnknownName.of("voice", voice, self._names)
        return self._pieces(request, voice)

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        clip.check(samples, sample_rate)
        return tint.measure(samples, sample_rate)

    def _pieces(self, request: SpeechRequest, voice: str) -> Iterator[Speech]:
        wanted, source, speed = request.tint, None, request.speed
        if wanted is not None or request.pitch != 0:
            source = self._measure(voice)
            if wanted is None:
                wanted = source
            speed *= tint.pace(wanted, source)
            wanted = tint.shifted(wanted, request.pitch)
        pieces = [spelt for piece in sentences(request.text, _TAGS[0]) if _says_something(spelt := _ascii(piece))]
        if not pieces:
            raise InvalidText(
                "flite speaks English, and the text has no letter or digit that English has.",
                code="nothing_to_say",
                field="text",
                accepted="English text",
            )
        for index, piece in enumerate(pieces):
            speech = self._say(piece, voice, speed)
            if wanted is not None and source is not None:
                speech = tint.apply(speech, wanted, source)
            yield prosody.with_pause(speech, piece, last=request.final and index == len(pieces) - 1, speed=speed)

    def _measure(self, voice: str) -> VoiceTint:
        if voice not in self._measured:
            # Sentence by sentence, as it will speak: in one go its pitch would be half a semitone lower.
            speech = Speech.join(self._say(piece, voice, 1.0) for piece in sentences(_SAMPLE, _TAGS[0]))
            self._measured[voice] = tint.measure(speech.samples, speech.sample_rate)
        return self._measured[voice]

    def _say(self, piece: str, voice: str, speed: float) -> Speech:
        """One piece without the silence around it."""
        import soundfile

        length = 1 / speed
        own = float(np.clip(length, _FASTEST, _SLOWEST))
        with tempfile.TemporaryDirectory(prefix="flite-") as folder:
            path = Path(folder) / "speech.wav"
            options = ["-voice", voice, "--setf", f"duration_stretch={own:.4f}", "-psdur", "-o", str(path)]
            try:
                done = subprocess.run(
                    [self._program, *options, "-t", piece],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_PATIENCE,
                    check=False,
                )
                if done.returncode != 0:
                    raise BackendFailed(f"flite ended with {done.returncode} on {piece[:60]!r}.")
                samples, rate = soundfile.read(path, dtype="float32")
            except (subprocess.TimeoutExpired, OSError, soundfile.LibsndfileError) as error:
                raise BackendFailed(f"flite failed on {piece[:60]!r}: {error}") from error
        phonemes = _phonemes(done.stdout.decode("ascii", "ignore"), len(samples) / rate)
        samples, phonemes = _trimmed(samples.astype(np.float32), rate, phonemes)
        if length != own:
            before = len(samples) / rate
            samples = stretch(samples, rate, length / own)
            scale = len(samples) / rate / before
            phonemes = tuple(replace(p, start=p.start * scale, end=p.end * scale) for p in phonemes)
        return Speech(samples, rate, phonemes, _TAGS[0])


def _phonemes(listing: str, seconds: float) -> tuple[Phoneme, ...]:
    """From `pau:0.164 hh:0.255 ...`, phone and end, scaled to the sound: diphone voices drift from it by 5 %."""
    ends = [(name, float(end)) for name, _, end in (item.partition(":") for item in listing.split()) if end]
    if not ends or ends[-1][1] <= 0:
        raise BackendFailed("flite gave no phone times.")
    scale = seconds / ends[-1][1]
    phonemes: list[Phoneme] = []
    start = 0.0
    for name, end in ends:
        ipa, stop = _IPA.get(name, ""), min(end * scale, seconds)
        if not ipa and phonemes and not phonemes[-1].ipa:
            phonemes[-1] = replace(phonemes[-1], end=stop)
        elif stop > start:
            phonemes.append(Phoneme(start, stop, ipa))
        start = max(start, stop)
    return tuple(phonemes)


def _trimmed(samples: Samples, rate: int, phonemes: tuple[Phoneme, ...]) -> tuple[Samples, tuple[Phoneme, ...]]:
    spoken = [phoneme for phoneme in phonemes if phoneme.ipa]
    if not spoken:
        return samples, phonemes
    first = round(max(0.0, spoken[0].start - _LEAD) * rate)
    last = min(len(samples), round((spoken[-1].end + _LEAD) * rate))
    begin, end = first / rate, last / rate
    kept = (
        Phoneme(max(p.start, begin) - begin, min(p.end, end) - begin, p.ipa)
        for p in phonemes
        if p.end > begin and p.start < end
    )
    return samples[first:last], tuple(kept)


def _ascii(text: str) -> str:
    """What flite can read of it: letters without their accents, symbols that have an English name spelt."""
    text = _MONEY.sub(lambda found: f"{found[2]} {_CURRENCIES[found[1]]}", text)
    decomposed = unicodedata.normalize("NFKD", text.translate(_SPELT))
    return " ".join("".join(c if c.isascii() else "" for c in decomposed if c.isprintable()).split())


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)

"""espeak-ng's C interface (speak_lib.h) from the `espeakng-loader` wheel, one sentence at a time.

The library keeps everything in globals: the voice, but also the phase of its noise and flutter, which no call
resets. So each sentence gets the library freshly loaded, and it is unloaded again before the lock is given
back: what is said never depends on what was said before (4 ms a sentence), and threads take turns per sentence.
Breath and whisper are random numbers, which the library seeds with the time of day; here they get a seed of ours.

Known limit: where a word in another script makes espeak-ng load a second dictionary (English words in Chinese
text), it forgets to free it: 180 KB a sentence.
"""

from __future__ import annotations

import _ctypes
import ctypes
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.contracts import Samples
from pipeline.errors import BackendFailed, Unavailable

SAMPLE_RATE = 22050
SLOWEST, FASTEST = 80, 440
"""Words a minute between which espeak-ng speaks by itself; from 450 it switches to another method."""

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _PHONEME_IPA = 1, 2
_STAY = 0x8000
"""Else the library ends the process where it can't read its data, without a word."""
_TEXT_AS_IPA = 2
_CHARS_UTF8 = 1  # without espeakSSML and espeakPHONEMES: "<", "&" and "[[" are text
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_LIST_TERMINATED, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7
_NAME_BYTES = 8
_SEED = 1
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # U+0001 begins a command to espeak-ng

_lock = threading.Lock()


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_ubyte * _NAME_BYTES),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Language:
    """A language that espeak-ng speaks: the `identifier` of its file and its tags, lower case, own tag first."""

    identifier: str
    tags: tuple[str, ...]
    priorities: tuple[int, ...]
    """Of each tag; the lowest wins where several languages have one tag."""


class Utterance(NamedTuple):
    """What was said, and when: places are samples from the beginning."""

    samples: Samples
    """At `SAMPLE_RATE`."""
    phonemes: list[tuple[int, str]]
    """Where each begins: (place, IPA), silence being the empty string."""
    words: list[tuple[int, int]]
    """Where those begin that espeak-ng counts: (place, character of the text). Figures have several; words that it
    says as one, such as "of the", have one together."""


@cache
def languages() -> tuple[Language, ...]:
    """Every language whose dictionary is there, in the order of the library. Raises `Unavailable`."""
    found = []
    with _loaded() as library:
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        voices = library.espeak_ListVoices(None)
        index = 0
        while voices[index]:
            voice = voices[index].contents
            tags: list[str] = []
            priorities: list[int] = []
            place = voice.languages
            while priority := ctypes.string_at(place, 1)[0]:  # a byte of priority, then the tag, then the next
                tag = ctypes.string_at(place + 1)
                tags.append(tag.decode().lower().replace("_", "-"))
                priorities.append(priority)
                place += len(tag) + 2
            identifier = voice.identifier.decode()
            if tags and _dictionary(identifier, tags[0]).is_file():
                found.append(Language(identifier, tuple(tags), tuple(priorities)))
            index += 1
    return tuple(found)


@cache
def variants() -> tuple[str, ...]:
    """The timbres that any language can be spoken in: m1, f3, klatt4, whisper ..."""
    return tuple(sorted(path.name for path in (_data() / "voices" / "!v").iterdir() if path.is_file()))


def synthesise(text: str, voice: str, rate: int, pitch: int, spread: int) -> tuple[Samples, list[tuple[int, str]]]:
    """Samples and phonemes of `utter`."""
    said = utter(text, voice, rate, pitch, spread)
    return said.samples, said.phonemes


def utter(text: str, voice: str, rate: int, pitch: int, spread: int) -> Utterance:
    """Says a text.

    `voice` is `identifier` or `identifier+variant`, both from the lists above; `rate` is in words a minute,
    `SLOWEST` to `FASTEST`; `pitch` is 0 to 99 with 50 for the voice's own, and moves its lowest pitch an octave
    each way; `spread` is 0 to 99 with 50 for the voice's own range above that, and is proportional.
    """
    sound: list[Samples] = []
    phonemes: list[tuple[int, str]] = []
    words: list[tuple[int, int]] = []

    @_Callback
    def take(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            sound.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        index = 0
        while events[index].type != _EVENT_LIST_TERMINATED:
            if events[index].type == _EVENT_PHONEME:
                name = bytes(events[index].name).partition(b"\0")[0]  # cut at eight bytes by the library
                phonemes.append((events[index].sample, name.decode(errors="ignore")))
            elif events[index].type == _EVENT_WORD:
                words.append((events[index].sample, max(0, events[index].text_position - 1)))  # it counts from one
            index += 1
        return 0

    encoded = _CONTROLS.sub(" ", text).encode() + b"\0"
    with _loaded() as library:
        library.espeak_SetSynthCallback(take)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise BackendFailed(f"espeak-ng refused its own voice {voice!r}.", field="voice")
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        library.espeak_SetParameter(_RANGE, spread, 0)
        status = library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise BackendFailed(f"espeak-ng could not say {text[:40]!r} (status {status}).")
    return Utterance(np.concatenate(sound) if sound else np.zeros(0, np.float32), phonemes, words)


def phonemes(text: str, voice: str) -> str:
    """The text in IPA, with stress marks and with spaces between words; clauses are a space apart as well.

    `voice` is an `identifier`. Where a word switches the language, the tags of both stand in brackets.
    """
    clauses = []
    encoded = ctypes.create_string_buffer(_CONTROLS.sub(" ", text).encode())
    place = ctypes.c_void_p(ctypes.addressof(encoded))
    with _loaded() as library:
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise BackendFailed(f"espeak-ng refused its own voice {voice!r}.", field="voice")
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        while place:  # null once the text is at its end
            said = library.espeak_TextToPhonemes(ctypes.byref(place), _CHARS_UTF8, _TEXT_AS_IPA)
            clauses.append((said or b"").decode(errors="ignore").strip())
    return " ".join(clause for clause in clauses if clause)


@contextmanager
def _loaded() -> Generator[ctypes.CDLL]:
    import espeakng_loader

    with _lock:
        try:
            library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise Unavailable(f"espeak-ng's library can't be loaded: {error}", code="espeak_missing") from error
        try:
            options = _PHONEME_EVENTS | _PHONEME_IPA | _STAY
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(_data()).encode(), options)
            if rate != SAMPLE_RATE:
                raise Unavailable(
                    f"espeak-ng can't read its data in {_data()}; it takes no path of more than 159 characters.",
                    code="espeak_missing",
                )
            library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))  # espeak_Initialize took the time
            ctypes.CDLL(None).srand(_SEED)  # the C library's: the breath of Reed and caleb
            yield library
        finally:
            library.espeak_Terminate()
            _ctypes.dlclose(library._handle)


def _data() -> Path:
    import espeakng_loader

    return Path(espeakng_loader.get_data_path())


def _dictionary(identifier: str, tag: str) -> Path:
    """The wheel lists a few languages without their dictionaries (Faroese); speaking those is only noise."""
    name = tag.partition("-")[0]
    for line in (_data() / "lang" / identifier).read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["dictionary"] and len(words) > 1:
            name = words[1]
    return _data() / f"{name}_dict"

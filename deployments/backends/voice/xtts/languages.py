"""The languages of XTTS: how much text each takes at once, and how long the sound of it may become."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Final

LONGEST: Final[Mapping[str, int]] = {
    "en": 250,
    "de": 253,
    "fr": 273,
    "es": 239,
    "it": 213,
    "pt": 203,
    "pl": 224,
    "zh": 82,
    "ar": 166,
    "cs": 186,
    "ru": 182,
    "nl": 251,
    "tr": 226,
    "ja": 71,
    "hu": 224,
    "ko": 95,
    "hi": 150,
}
"""Characters of one piece of text, after which speech is cut off or blurred (coqui-tts 0.28, tokenizer.py)."""

PACKAGES: Final[Mapping[str, tuple[str, str]]] = {"zh": ("pypinyin", "zh"), "ja": ("cutlet", "ja")}
"""What a language's text is spelt with, where coqui-tts does not bring it: the module, and its own extra."""

_SHORTEST: Final = 43
"""Tokens, two seconds, that any text may take."""
_PACE: Final = 2.0
"""How much longer than expected a text may take: a slow speaker's pauses, and numbers, which are written short."""


def base(tag: str) -> str:
    """en of en-US: as XTTS names its languages, but for zh-cn."""
    return tag.lower().replace("_", "-").partition("-")[0]


def spoken(languages: Iterable[str]) -> tuple[str, ...]:
    """Those of a checkpoint's languages that can be spelt on this machine."""
    return tuple(tag for tag in languages if base(tag) in LONGEST and missing(base(tag)) is None)


def missing(language: str) -> str | None:
    """The extra of coqui-tts that a language needs and that is not installed; None where all is there."""
    module, extra = PACKAGES.get(language, ("", ""))
    return extra if module and find_spec(module) is None else None


def most_tokens(text: str, language: str, capacity: int) -> int:
    """The longest sound, in audio tokens of 46 ms, that is let become of a text: the longest text of its language may
    fill the model's capacity twice over, so that only a voice that finds no end is cut."""
    expected = capacity * len(text) / LONGEST[language]
    return min(capacity, _SHORTEST + math.ceil(_PACE * expected))

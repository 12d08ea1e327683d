"""espeak-ng's phonemes for coqui-tts, from the library that Mouthpiece has: no program of that name is needed.

coqui-tts runs the program `espeak-ng` for every piece between two punctuation marks; what it gets is what the library
gives here. This module is imported where coqui-tts can be.
"""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any, Final

from TTS.tts.utils.text import phonemizers
from TTS.tts.utils.text.phonemizers.base import BasePhonemizer
from TTS.tts.utils.text.punctuation import Punctuation

from deployments.backends.voice import espeak_library, espeak_voices
from pipeline.errors import UnknownName

_SWITCHES: Final = re.compile(r"\(.+?\)")
"""(en): where espeak-ng goes over to another language within a text."""


class EspeakPhonemizer(BasePhonemizer):
    """IPA with stress marks, punctuation kept."""

    def __init__(
        self, language: str, punctuations: str = Punctuation.default_puncs(), *, keep_puncs: bool = True
    ) -> None:
        super().__init__(language, punctuations, keep_puncs=keep_puncs)

    @staticmethod
    def name() -> str:
        return "espeak"

    @classmethod
    def is_available(cls) -> bool:
        return True

    def version(self) -> str:
        return importlib.metadata.version("espeakng-loader")

    @staticmethod
    def supported_languages() -> dict[str, Any]:
        return {language.tags[0]: language.identifier for language in espeak_library.languages()}

    def is_supported_language(self, language: str) -> bool:
        try:
            espeak_voices.language_of(language)
        except UnknownName:
            return False
        return True

    def _phonemize(self, text: str, separator: str) -> str:
        """`separator` has no use in a network's alphabet: the tokenizer of coqui-tts asks for none."""
        identifier = espeak_voices.language_of(self._language).identifier
        return separator.join(_SWITCHES.sub("", espeak_library.phonemes(text, identifier)).strip())


def register() -> None:
    """Has coqui-tts use it wherever it would use espeak-ng: by that name, and for a language whose phonemizer is not
    named, rather than gruut."""
    phonemizers._register_phonemizers()
    phonemizers.PHONEMIZERS[EspeakPhonemizer.name()] = EspeakPhonemizer
    usual = phonemizers.DEF_LANG_TO_PHONEMIZER
    for language in (*EspeakPhonemizer.supported_languages(), "en"):
        if usual.get(language, "gruut") == "gruut":
            usual[language] = EspeakPhonemizer.name()

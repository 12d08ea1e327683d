"""espeak-ng's phonemes for coqui-tts, from the library that Mouthpiece has: no program of that name is needed.

coqui-tts runs the program `espeak-ng` for every piece between two punctuation marks; what it gets is what the library
gives here. This module is imported where coqui-tts can be.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from TTS.tts.utils.text import phonemizers
from TTS.tts.utils.text.phonemizers.base import BasePhonemizer
from TTS.tts.utils.text.punctuation import Punctuation

from deployments.backends.voice import espeak_library, espeak_voices
from pipeline.errors import MissingWeights, SettingsError, UnknownName

_SWITCHES: Final = re.compile(r"\(.+?\)")
"""(en): where espeak-ng goes over to another language within a text."""


PACKAGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "zh_cn_phonemizer": ("zh", ("pypinyin", "spacy_pkuseg")),
    "ja_jp_phonemizer": ("ja", ("fugashi",)),
    "ko_kr_phonemizer": ("ko", ("mecab_ko",)),
    "bn_phonemizer": ("bn", ("bangla", "bnnumerizer", "bnunicodenormalizer")),
    "gruut": ("languages", ("gruut",)),
}
"""The phonemizers of coqui-tts that need more than it brings: its own extra with them, and the modules."""
USUAL: Final = {
    "zh-cn": "zh_cn_phonemizer",
    "ja-jp": "ja_jp_phonemizer",
    "ko-kr": "ko_kr_phonemizer",
    "bn": "bn_phonemizer",
}
"""Those that it takes for a language where a configuration names none."""


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
    named, rather than gruut. And has it find the Korean one where its package is there."""
    phonemizers._register_phonemizers()
    phonemizers.PHONEMIZERS[EspeakPhonemizer.name()] = EspeakPhonemizer
    usual = phonemizers.DEF_LANG_TO_PHONEMIZER
    if find_spec("mecab_ko"):  # coqui-tts 0.28 looks for a module mecab-ko, which none can be called
        from TTS.tts.utils.text.phonemizers.ko_kr_phonemizer import KO_KR_Phonemizer

        phonemizers.PHONEMIZER_DEPS.pop(KO_KR_Phonemizer.name(), None)
        phonemizers.PHONEMIZERS[KO_KR_Phonemizer.name()] = KO_KR_Phonemizer
        usual[KO_KR_Phonemizer.language] = KO_KR_Phonemizer.name()
    for language in (*EspeakPhonemizer.supported_languages(), "en"):
        if usual.get(language, "gruut") == "gruut":
            usual[language] = EspeakPhonemizer.name()


def check(values: Mapping[str, Any], path: Path, installed: Callable[[str], object] = find_spec) -> None:
    """Raises `SettingsError`, code missing_dependency, where the phonemes that a configuration asks for need a package
    that is not installed, and `MissingWeights` where they need a file that the package would fetch.

    `installed` says of a module's name whether it can be imported: None where it can't.
    """
    for name in _wanted(values) if values.get("use_phonemes") else ():
        extra, modules = PACKAGES.get(name, ("", ()))
        missing = [module for module in modules if installed(module) is None]
        if missing:
            raise SettingsError(
                f"{path.parent} was trained on the phonemes of {name}, which needs: {', '.join(missing)}.",
                code="missing_dependency",
                field="options.coqui.model",
                accepted=f"pip install 'coqui-tts[{extra}]'",
            )
        segmenter = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser() / "spacy_ontonotes"
        if extra == "zh" and not segmenter.is_dir():
            raise MissingWeights(
                f"The phonemes of {name} need {segmenter}, with which spacy-pkuseg finds Chinese words.",
                accepted='python -c "import spacy_pkuseg; spacy_pkuseg.pkuseg()", which fetches it',
            )


def _wanted(values: Mapping[str, Any]) -> Iterator[str]:
    """The phonemizers of a configuration: of a model of several languages, those of its data."""
    if values.get("phonemizer") != "multi_phonemizer":
        yield str(values.get("phonemizer") or USUAL.get(str(values.get("phoneme_language")), ""))
        return
    for data in values.get("datasets") or ():
        if isinstance(data, Mapping):
            yield str(data.get("phonemizer") or USUAL.get(str(data.get("language")), ""))

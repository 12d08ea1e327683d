"""What espeak-ng's voices are called here: by language (`en-us`), by timbre (`f3`) or by both (`en-us+f3`)."""

from __future__ import annotations

import re
from functools import cache

from deployments.backends.voice import espeak_library
from deployments.backends.voice.espeak_library import Language
from pipeline.errors import UnknownName

_ALIASES = {
    "en": "en-us",  # espeak-ng itself says en-gb
    "en-au": "en-gb",
    "en-ie": "en-gb",
    "en-in": "en-gb",
    "en-nz": "en-gb",
    "en-za": "en-gb",
    "in": "id",
    "iw": "he",
    "nn": "nb",
    "zh": "cmn",
    "zh-hk": "yue",
    "zh-mo": "yue",
}


def language_of(tag: str) -> Language:
    """The language for a BCP 47 tag: itself, an alias, the one that claims it most, that of a shorter tag, or a
    narrower one.

    Raises `UnknownName`, listing every tag.
    """
    known = espeak_library.languages()
    own = {language.tags[0]: language for language in reversed(known)}
    wanted = tag.lower().replace("_", "-")
    while wanted:
        wanted = _ALIASES.get(wanted, wanted)
        if wanted in own:
            return own[wanted]
        claims = [
            (language.priorities[language.tags.index(wanted)], n)
            for n, language in enumerate(known)
            if wanted in language.tags
        ]
        if claims:
            return known[min(claims)[1]]
        wanted = re.sub(r"(-[a-z0-9])?-[^-]*$", "", wanted) if "-" in wanted else ""
    for language in known:
        if _base(language) == tag.lower():  # chr, where there is only chr-us-qaaa-x-west
            return language
    raise UnknownName.of("language", tag, own)


def voice_of(name: str, language: Language) -> tuple[Language, str]:
    """The language and the variant (or "") that a voice's name means where `language` is asked for.

    Raises `UnknownName` for a name that is not here (field voice) and for a voice of another language (field
    language).
    """
    variants = {variant.lower(): variant for variant in espeak_library.variants()}
    wanted = name.strip().lower()
    if wanted in variants:
        return language, variants[wanted]
    head, plus, tail = wanted.partition("+")
    own = {known.tags[0]: known for known in reversed(espeak_library.languages())}
    head = head.replace("_", "-")
    chosen = own.get(_ALIASES.get(head, head))
    if chosen is None or (plus and tail not in variants):
        raise UnknownName.of("voice", name, voices())
    if _base(chosen) != _base(language) and not set(chosen.tags) & set(language.tags):
        raise UnknownName(
            f"The voice {name!r} does not speak {language.tags[0]!r}.",
            code="voice_language",
            field="language",
            accepted=", ".join(voices()[chosen.tags[0]]),
        )
    return chosen, variants[tail] if plus else ""


def _base(language: Language) -> str:
    return language.tags[0].partition("-")[0]


@cache
def voices() -> dict[str, tuple[str, ...]]:
    """Voice name -> the tags it speaks, the default first: one voice a language, then the variants."""
    known = espeak_library.languages()
    tags = {language.tags[0]: tuple(dict.fromkeys((*language.tags, _base(language)))) for language in reversed(known)}
    every = tuple(sorted({tag for spoken in tags.values() for tag in spoken}))
    default = language_of("en").tags[0]
    return {default: tags[default], **dict(sorted(tags.items())), **dict.fromkeys(espeak_library.variants(), every)}

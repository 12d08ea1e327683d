"""From a phoneme in IPA, as espeak-ng writes it for any of its languages, to mouth shapes.

A phoneme may be several letters (diphthongs, affricates), may carry stress, length, tone, nasality, release and
other marks, and espeak-ng mixes in leftovers of its own ASCII alphabet (`tS`, `l#`, `(en)`). No input is an
error: a letter that is not in the table resolves to its nearest relative.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .shape import SHAPES, SILENCE, Shape

LETTERS: Final[dict[str, str]] = {
    **{name: name for name in SHAPES if len(name) == 1},
    **dict.fromkeys("mbpɓʙʘƥᵐ", "bilabial"),
    **dict.fromkeys("ɸβΦ", "bilabial_fricative"),
    **dict.fromkeys("fvʋɱⱱȹȸ", "labiodental"),
    **dict.fromkeys("wʍ", "labial_glide"),
    "ɥ": "rounded_palatal_glide",
    **dict.fromkeys("θðǀʇ", "dental"),
    **dict.fromkeys("tdnɗƭǃʗⁿ", "alveolar"),
    **dict.fromkeys("lɫɬɮɺǁʖ", "lateral"),
    **dict.fromkeys("rɾɼ", "trill"),
    **dict.fromkeys("szʦʣ", "sibilant"),
    **dict.fromkeys("ʃʒʧʤɧʆʓ", "postalveolar"),
    **dict.fromkeys("ɕʑʨʥ", "alveolopalatal"),
    **dict.fromkeys("ʂʐ", "retroflex_fricative"),
    **dict.fromkeys("ɹ", "approximant_r"),
    **dict.fromkeys("ʈɖɳɽɭɻᶑ", "retroflex"),
    **dict.fromkeys("jcɟɲʎçʝʄǂ", "palatal"),
    **dict.fromkeys("kɡgŋxɣɰʟɠƙᵑ", "velar"),
    **dict.fromkeys("qɢɴʀʁχʛʠ", "uvular"),
    **dict.fromkeys("ħʕʜʢʡ", "pharyngeal"),
    **dict.fromkeys("hɦʔ", "glottal"),
    # other writings of the same sounds: old, Greek or typographic twins, and espeak-ng's ASCII leftovers
    **{"ɩ": "ɪ", "ᵻ": "ɪ", "ɷ": "ʊ", "ᵿ": "ʊ", "ɝ": "ɚ", "ᴀ": "ɐ", "α": "ɑ", "ε": "ɛ", "ʚ": "ɞ", "A": "ɑ"},
    **{"E": "ɛ", "I": "ɪ", "O": "ɔ", "U": "ʊ", "V": "ʌ", "@": "ə", "Y": "ʏ", "M": "ɯ", "ı": "ɪ", "ˀ": "glottal"},
    **{"B": "bilabial_fricative", "F": "labiodental", "P": "labiodental", "H": "rounded_palatal_glide"},
    **{"N": "velar", "G": "velar", "S": "postalveolar", "Z": "postalveolar", "T": "dental", "D": "dental"},
    **{"X": "uvular", "R": "uvular", "Q": "uvular", "J": "palatal", "L": "palatal", "C": "palatal", "K": "lateral"},
    **{"W": "labial_glide", "?": "glottal"},
}
"""IPA letter -> name in `SHAPES`."""

SECOND_HALF: Final = 0.45
"""Share of a diphthong that belongs to its second vowel: the glide is shorter than the nucleus."""

_ROUNDING: Final = "ʷᵝʮᶣ"
_RHOTIC: Final = "˞"
_NEUTRAL: Final = "ə"


@dataclass(frozen=True, slots=True)
class Sound:
    """A phoneme as the mouth sees it: shapes one after the other, with their shares of its time (sum 1).

    No shapes at all is a mark without a sound of its own (a tone, a language switch); its time belongs to
    the sound before.
    """

    shapes: tuple[Shape, ...]
    shares: tuple[float, ...]
    stress: int = 0
    """0 none, 1 secondary, 2 primary."""
    long: bool = False


@lru_cache(maxsize=4096)
def sound(ipa: str) -> Sound:
    """Reads one phoneme. The empty string is silence. Never raises."""
    if not ipa:
        return Sound((SILENCE,), (1.0,))
    stress = 2 if "ˈ" in ipa or ipa.startswith("'") else 1 if "ˌ" in ipa or ipa.startswith(",") else 0
    if ipa.startswith("("):  # "(en)": espeak-ng changes language for the next word
        return Sound((), ())
    names: list[str] = []
    rounded: list[bool] = []
    for letter in letters(ipa):
        if letter in _ROUNDING:
            if rounded:
                rounded[-1] = True
        elif letter == _RHOTIC:
            names.append("ɚ")
            rounded.append(False)
        else:
            names.append(nearest(letter))
            rounded.append(False)
    shapes = tuple(_with_rounding(SHAPES[n]) if r else SHAPES[n] for n, r in zip(names, rounded, strict=True))
    return Sound(shapes, _shares(shapes), stress, "ː" in ipa or ":" in ipa)


def letters(ipa: str) -> list[str]:
    """The base letters of a phoneme, in order, and marks that change the lips; everything else is dropped.

    Spacing modifiers alone (`ʰ`, `ᵑ`) count as the letters they raise.
    """
    found: list[str] = []
    marks: list[str] = []
    for char in unicodedata.normalize("NFC", ipa):
        if char in LETTERS or char in _ROUNDING or char == _RHOTIC:
            found.append(char)
        elif char == "ː" or char in "ˈˌ" or unicodedata.category(char) in ("Mn", "Mc", "Me"):
            continue
        elif unicodedata.category(char) == "Lm":
            marks.append(char)
        elif unicodedata.category(char)[0] == "L":
            found.append(char)
    return found or [mark for mark in marks if unicodedata.normalize("NFKD", mark) != mark]


def nearest(letter: str) -> str:
    """The name in `SHAPES` for any letter: from the table, else from what Unicode says it derives from.

    ẽ is e with a mark, ʱ a raised ɦ, Ꝭ a capital with a stroke: decomposition, lower case, then the plain letter
    in the character's own name are tried in turn. What is left is a neutral mouth.
    """
    for form in (letter, unicodedata.normalize("NFKD", letter)[0], letter.lower(), letter.lower()[:1]):
        if form in LETTERS:
            return LETTERS[form]
    words = unicodedata.name(letter, "").split()
    for word in words[words.index("LETTER") + 1 :] if "LETTER" in words else ():
        if len(word) == 1 and word.lower() in LETTERS:
            return LETTERS[word.lower()]
    return _NEUTRAL


def known(ipa: str) -> bool:
    """Whether every letter of a phoneme is in the table itself, after taking marks off."""
    return all(
        letter in LETTERS
        or letter in _ROUNDING
        or letter == _RHOTIC
        or unicodedata.normalize("NFKD", letter)[0] in LETTERS
        for letter in letters(ipa)
    )


def _with_rounding(shape: Shape) -> Shape:
    pucker = max(shape.pucker, 0.45)
    return Shape(
        shape.kind,
        shape.jaw,
        shape.upper,
        shape.lower,
        min(shape.wide, -0.35),
        pucker,
        shape.tuck,
        shape.press,
        shape.tongue,
        shape.open_grip,
        max(shape.round_grip, 0.9),
        shape.tongue_grip,
    )


def _shares(shapes: tuple[Shape, ...]) -> tuple[float, ...]:
    if len(shapes) == 2 and shapes[0].kind == shapes[1].kind == "vowel":
        return (1 - SECOND_HALF, SECOND_HALF)
    # An r, l or n written with its vowel, and the two halves of an affricate, are shorter than a vowel.
    weights = [1.0 if shape.kind == "vowel" else 0.6 for shape in shapes]
    total = sum(weights)
    return tuple(weight / total for weight in weights)

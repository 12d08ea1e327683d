"""What the mouth does for one speech sound: targets per channel, and how strongly the sound insists on them.

Vowels follow from the three features of the IPA chart (height, backness, rounding): the jaw drops with
openness, front vowels spread the corners, rounded ones bring them together and protrude the lips. Consonants
follow from their place of articulation. The order of magnitude of targets and dominances is that of Cohen and
Massaro, "Modeling coarticulation in synthetic visual speech" (1993), scaled to the channels of `mouth.CHANNELS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["vowel", "consonant", "silence"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One viseme. Channel targets have the ranges of `mouth.CHANNELS`; grips are dominances, 1 is a vowel's."""

    kind: Kind
    jaw: float
    upper: float = 0.0
    lower: float = 0.0
    wide: float = 0.0
    pucker: float = 0.0
    tuck: float = 0.0
    press: float = 0.0
    tongue: float = 0.0
    open_grip: float = 1.0
    """Dominance over jaw, upper and lower."""
    round_grip: float = 1.0
    """Dominance over wide and pucker."""
    tongue_grip: float = 1.0


def vowel(openness: float, backness: float, *, rounded: bool, rhotic: bool = False, grip: float = 1.0) -> Shape:
    """The mouth of a vowel.

    `openness` is 0 (close, as in "see") to 1 (open, as in "father"); `backness` is 0 (front) to 1 (back). A
    weak `grip` (reduced vowels) lets the neighbours show through.
    """
    if rounded:
        shape = Shape(
            "vowel",
            jaw=0.13 + 0.52 * openness,
            upper=0.14 + 0.10 * openness,
            lower=0.12 + 0.20 * openness,
            wide=-(0.85 - 0.55 * openness) * (0.9 + 0.1 * backness),
            pucker=(0.95 - 0.60 * openness) * (0.92 + 0.08 * backness),
            open_grip=grip,
            round_grip=1.15 * grip,
        )
    else:
        shape = Shape(
            "vowel",
            jaw=0.14 + 0.64 * openness,
            upper=0.20 + 0.12 * openness,
            lower=0.26 + 0.16 * openness,
            wide=(0.78 - 0.52 * openness) * max(0.0, 1 - 1.1 * backness),
            pucker=0.22 if rhotic else 0.0,
            tongue=0.15 if rhotic else 0.0,
            open_grip=grip,
            round_grip=grip,
        )
    return shape


def consonant(
    jaw: float,
    *,
    upper: float = 0.0,
    lower: float = 0.0,
    wide: float = 0.0,
    pucker: float = 0.0,
    tuck: float = 0.0,
    press: float = 0.0,
    tongue: float = 0.0,
    open_grip: float = 0.6,
    round_grip: float = 0.1,
) -> Shape:
    """A consonant holds few channels firmly; by default the neighbouring vowels decide the rounding."""
    return Shape(
        "consonant", jaw, upper, lower, wide, pucker, tuck, press, tongue, open_grip, round_grip, tongue_grip=1.0
    )


SILENCE: Final = Shape("silence", jaw=0.0, press=0.15, open_grip=1.0, round_grip=0.7)
"""At rest: the lips touch and are slightly closed; `press` keeps any slack of the drawing from showing teeth."""

SHAPES: Final[dict[str, Shape]] = {
    # close to open; front, central, back
    "i": vowel(0.00, 0.0, rounded=False),
    "y": vowel(0.00, 0.0, rounded=True),
    "ɨ": vowel(0.06, 0.5, rounded=False),
    "ʉ": vowel(0.02, 0.5, rounded=True),
    "ɯ": vowel(0.06, 1.0, rounded=False),
    "u": vowel(0.00, 1.0, rounded=True),
    "ɪ": vowel(0.18, 0.15, rounded=False, grip=0.85),
    "ʏ": vowel(0.17, 0.15, rounded=True),
    "ʊ": vowel(0.20, 0.85, rounded=True),
    "e": vowel(0.36, 0.0, rounded=False),
    "ø": vowel(0.33, 0.0, rounded=True),
    "ɘ": vowel(0.36, 0.5, rounded=False, grip=0.85),
    "ɵ": vowel(0.33, 0.5, rounded=True),
    "ɤ": vowel(0.38, 1.0, rounded=False),
    "o": vowel(0.36, 1.0, rounded=True),
    "ə": vowel(0.38, 0.5, rounded=False, grip=0.6),
    "ɛ": vowel(0.62, 0.0, rounded=False),
    "œ": vowel(0.60, 0.0, rounded=True),
    "ɜ": vowel(0.42, 0.5, rounded=False, rhotic=True),
    "ɞ": vowel(0.60, 0.5, rounded=True),
    "ʌ": vowel(0.64, 0.8, rounded=False),
    "ɔ": vowel(0.66, 1.0, rounded=True),
    "æ": vowel(0.84, 0.0, rounded=False),
    "ɐ": vowel(0.76, 0.5, rounded=False, grip=0.9),
    "a": vowel(1.00, 0.2, rounded=False),
    "ɶ": vowel(0.95, 0.0, rounded=True),
    "ɑ": vowel(1.00, 1.0, rounded=False),
    "ɒ": vowel(0.92, 1.0, rounded=True),
    "ɚ": vowel(0.40, 0.5, rounded=False, rhotic=True, grip=0.8),
    # the lips close, or the lower one meets the upper teeth
    "bilabial": consonant(0.10, press=1.0, open_grip=0.7),
    "bilabial_fricative": consonant(0.10, upper=0.05, lower=0.05, press=0.55, open_grip=0.8, round_grip=0.3),
    "labiodental": consonant(0.10, upper=0.22, tuck=1.0, open_grip=0.8),
    "labial_glide": consonant(0.12, upper=0.08, lower=0.08, wide=-0.9, pucker=1.0, open_grip=0.9, round_grip=1.3),
    "rounded_palatal_glide": consonant(
        0.10, upper=0.10, lower=0.10, wide=-0.75, pucker=0.9, open_grip=0.9, round_grip=1.2
    ),
    # the tongue does the work and the lips follow their neighbours
    "dental": consonant(0.17, upper=0.10, lower=0.20, tongue=1.0, open_grip=0.8),
    "alveolar": consonant(0.15, upper=0.12, lower=0.22, wide=0.1, tongue=0.65, open_grip=0.6),
    "lateral": consonant(0.25, upper=0.14, lower=0.24, tongue=0.85, open_grip=0.5),
    "trill": consonant(0.20, upper=0.14, lower=0.22, tongue=0.6, open_grip=0.5),
    "sibilant": consonant(0.06, upper=0.24, lower=0.38, wide=0.25, tongue=0.15, open_grip=0.95, round_grip=0.35),
    "postalveolar": consonant(0.10, upper=0.32, lower=0.40, wide=-0.35, pucker=0.6, open_grip=0.95, round_grip=0.9),
    "alveolopalatal": consonant(0.08, upper=0.26, lower=0.38, wide=0.35, open_grip=0.9, round_grip=0.4),
    "retroflex_fricative": consonant(
        0.12, upper=0.26, lower=0.34, wide=-0.2, pucker=0.3, open_grip=0.9, round_grip=0.5
    ),
    "approximant_r": consonant(
        0.17, upper=0.16, lower=0.18, wide=-0.3, pucker=0.45, tongue=0.2, open_grip=0.6, round_grip=0.6
    ),
    "retroflex": consonant(0.20, upper=0.12, lower=0.20, pucker=0.1, tongue=0.45, open_grip=0.5, round_grip=0.15),
    "palatal": consonant(0.15, upper=0.18, lower=0.26, wide=0.5, open_grip=0.55, round_grip=0.45),
    "velar": consonant(0.24, upper=0.12, lower=0.20, open_grip=0.35, round_grip=0.08),
    "uvular": consonant(0.28, upper=0.12, lower=0.20, open_grip=0.35, round_grip=0.08),
    "pharyngeal": consonant(0.45, upper=0.15, lower=0.22, open_grip=0.3, round_grip=0.05),
    "glottal": consonant(0.35, upper=0.15, lower=0.22, open_grip=0.05, round_grip=0.04),
    "silence": SILENCE,
}
"""Name -> shape. Vowels go by their IPA letter, consonants by their place."""

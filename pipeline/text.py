"""Text that can be spoken: cleaned once at the door, then cut where a speaker breathes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from pipeline.errors import InvalidText

PIECE = 400
"""Characters of the longest piece that `sentences` gives: some 25 s of speech."""

_LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_JOINERS = "\u200c\u200d"  # spell words in Persian, Hindi, Sinhala ...; noise elsewhere
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # choose a glyph, not a sound
_BREAKING = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")  # control characters that are white space

_ENDS = ".!?…"  # end a sentence where white space follows
_WIDE_ENDS = "。！？｡।॥؟۔։።፧។៕။"  # end a sentence whatever follows
_CLOSERS = "\"'”’»›)]}」』】）》〉"
_CLAUSES = re.compile(r"[,;:)—–][\"'”’»›)\]}]*(?=\s)|[，、；：､،؛፣፤၊]")
_ORDINALS_WITH_A_POINT = "bs cs da de et fi fo hr hu is kl lb lv nb nn no pl se sk sl sr tr"

_ABBREVIATIONS = {
    "": "dr mr mrs ms prof st vs ed eds cf al ca approx dept gen col sgt lt cpt capt rev hon gov sen rep jr sr inc "
    "ltd corp jan feb mar apr jun jul aug sep sept oct nov dec",
    "de": "bzw ca dr evtl fr ggf hr hrn inkl max min mio mrd nr prof sog st str tel u usw vgl z zzgl abs bd geb jh",
    "es": "sr sra srta dr dra prof ud uds pág núm av avda art etc aprox",
    "fr": "m mm mme mlle dr pr st ste av bd env p pp art etc",
    "it": "sig sigg dott ing avv prof pag art ecc es",
    "pt": "sr sra dr dra prof profa av núm pág art etc",
    "nl": "dhr mevr mw dr drs ir prof nr bijv ca enz blz",
    "sv": "bl ca dr kl nr osv resp s st t",
    "pl": "al dr godz im inż lek m mgr np nr ok pl prof str św tel tzn tzw ul",
    "ru": "г гг др им проф р руб см стр т тыс ул",
}

_BEFORE_A_NUMBER = "no nr nº fig vol p pp ch art sec par"


def normalise(text: str, *, limit: int) -> str:
    """`text` in Unicode NFC, invisible characters gone, white space single, lines kept apart by one `\\n`.

    The result holds at least one letter or digit and at most `limit` characters. Raises `InvalidText` (field
    `text`) with the code `invalid_characters` for control characters, noncharacters and lone surrogates,
    `text_empty`, `nothing_to_say` where there are only punctuation, symbols or emoji, and `text_too_long`.
    Markup is not looked for: `<b>` is text like any other.
    """
    for place, character in enumerate(text):
        if _is_unspeakable(character):
            raise InvalidText(
                f"The text has the unspeakable character U+{ord(character):04X} at position {place}.",
                code="invalid_characters",
                field="text",
                accepted="Unicode text without control characters",
            )
    text = _SELECTORS.sub("", unicodedata.normalize("NFC", text))
    text = "".join(_visible(text))
    lines = (" ".join(line.split()) for line in _LINE_BREAKS.split(text))
    text = "\n".join(line for line in lines if line)
    accepted = f"1 to {limit} characters with at least one letter or digit"
    if not text:
        raise InvalidText("The text is empty.", code="text_empty", field="text", accepted=accepted)
    if len(text) > limit:
        message = f"The text has {len(text)} characters."
        raise InvalidText(message, code="text_too_long", field="text", accepted=accepted)
    if not _says_something(text):
        message = "The text has no letter and no digit, so there is nothing to say."
        raise InvalidText(message, code="nothing_to_say", field="text", accepted=accepted)
    return text


def sentences(text: str, language: str, longest: int = PIECE) -> list[str]:
    """`text` in pieces of at most `longest` characters (8 or more): sentences, where too long clauses, where too long
    words.

    Abbreviations, initials, decimals, ordinals and speech within a sentence do not end one; `language` (BCP 47)
    chooses the abbreviations. Every letter and digit of `text` is in one piece, in order; pieces that hold
    neither are left out.
    """
    base = language.lower().partition("-")[0]
    pieces: list[str] = []
    for line in text.splitlines():
        for sentence in _cut_sentences(line, base):
            pieces += _cut_long(sentence, longest)
    return [piece for piece in pieces if _says_something(piece)]


def ended(text: str, language: str, longest: int = PIECE) -> int:
    """How many characters of a text that is still being written are whole sentences, whatever follows them: those
    before a line break, those after which another has begun, and of one that is too long as much as is cut off."""
    base = language.lower().partition("-")[0]
    start = max((match.end() for match in _LINE_BREAKS.finditer(text)), default=0)
    line = text[start:]
    # Whether a mark ends a sentence is seen by the letter that comes after it.
    ends = [end for end in _ends_of(line, base) if _says_something(line[end:])]
    if not ends and len(line) > longest:
        return start + _last_cut(line, longest)
    return start + (ends[-1] if ends else 0)


def _is_unspeakable(character: str) -> bool:
    if character.isprintable() or character in _BREAKING:
        return False
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or code & 0xFFFE == 0xFFFE  # noncharacters
        or 0xFDD0 <= code <= 0xFDEF
    )


def _visible(text: str) -> Iterator[str]:
    """Leaves out format characters (zero-width, bidirectional, soft hyphen), except joiners inside a word."""
    for place, character in enumerate(text):
        if character in _JOINERS:
            around = text[place - 1 : place] + text[place + 1 : place + 2]
            if len(around) == 2 and all(unicodedata.category(c)[0] in "LM" and not c.isascii() for c in around):
                yield character
        elif character.isascii() or unicodedata.category(character) != "Cf":
            yield character


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _cut_sentences(line: str, language: str) -> Iterator[str]:
    start = 0
    for end in _ends_of(line, language):
        yield line[start:end].strip()
        start = end
    if line[start:].strip():
        yield line[start:].strip()


def _ends_of(line: str, language: str) -> Iterator[int]:
    """Where the sentences of a line end that have a mark at their end."""
    ends = _ENDS + (";" if language == "el" else "")  # Greek asks with what NFC writes as a semicolon
    start = place = 0
    while place < len(line):
        if line[place] not in ends and line[place] not in _WIDE_ENDS:
            place += 1
            continue
        first = place
        while place < len(line) and (line[place] in ends or line[place] in _WIDE_ENDS):
            place += 1
        mark = line[first:place]
        while place < len(line) and (line[place] in _CLOSERS or line[place : place + 2] == " »"):  # French spaces it
            place += 1
        wide = any(character in _WIDE_ENDS for character in mark)
        if wide or (line[place : place + 1].isspace() and _ends_here(line, start, first, mark, place, language)):
            yield place
            start = place


def _ends_here(line: str, start: int, first: int, mark: str, place: int, language: str) -> bool:
    """Whether `mark` at `first` ends the sentence that began at `start`; what follows begins at `place`."""
    following = line[place : place + 40].lstrip(" " + _CLOSERS + "“‘«‹([{¿¡-–—")[:1]
    if following.islower():
        return False
    if mark != ".":
        return True
    words = line[max(start, first - 40) : first].split()
    word = words[-1].lstrip("“‘«‹([{\"'¿¡") if words else ""
    if not word:
        return False
    if word.isdigit():  # "1. First", "am 3. Oktober"
        return line[start:first].strip() != word and not (language in _ORDINALS_WITH_A_POINT.split() and len(word) <= 2)
    if "." in word and all(len(part) <= 2 for part in word.split(".")):  # U.S., e.g., z.B.
        return False
    if len(word) == 1 and word.isupper() and not (word == "I" and language == "en"):  # J. Smith
        return False
    if following.isdigit() and word.lower() in _BEFORE_A_NUMBER.split():
        return False
    known = _ABBREVIATIONS[""].split() + _ABBREVIATIONS.get(language, "").split()
    return word.lower() not in known


def _cut_long(sentence: str, longest: int) -> Iterator[str]:
    while len(sentence) > longest:
        cut = _last_cut(sentence, longest)
        yield sentence[:cut].strip()
        sentence = sentence[cut:].strip()
    if sentence:
        yield sentence


def _last_cut(sentence: str, longest: int) -> int:
    """Where to cut a sentence longer than `longest`: after the last clause, else word, else character that fits."""
    clauses = [match.end() for match in _CLAUSES.finditer(sentence, 0, longest + 1) if match.end() <= longest]
    if clauses and clauses[-1] >= longest // 4:  # a cut too early leaves a fragment that sounds like one
        return clauses[-1]
    space = sentence.rfind(" ", longest // 4, longest + 1)
    if space > 0:
        return space
    cut = longest
    while cut > longest // 2 and (unicodedata.category(sentence[cut])[0] == "M" or sentence[cut] in _JOINERS):
        cut -= 1
    return cut


_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana and Chinese characters: written without spaces between words."""


def words(text: str) -> list[tuple[int, int]]:
    """Where each word of `text` begins and ends, with the punctuation beside it; together they are all of it but white
    space.

    Words are what white space separates. Scripts without it give a character at a time, marks and punctuation with
    the character that they follow. Every word holds a letter or digit, or is the text's only one.
    """
    found: list[tuple[int, int]] = []
    for run in re.finditer(r"\S+", text):
        start = place = run.start()
        while place < run.end():
            wide = _UNSPACED.match(text[place]) is not None
            place += 1
            while place < run.end() and unicodedata.category(text[place])[0] in "MPSC":
                place += 1
            following = place < run.end() and _UNSPACED.match(text[place]) is not None
            if place == run.end() or ((wide or following) and _says_something(text[start:place])):
                found.append((start, place))
                start = place
    return _speaking(text, found)


def _speaking(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Lone punctuation goes with the word before it, or with the first word."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and not _says_something(text[start:end]):
            joined[-1] = (joined[-1][0], end)
        elif len(joined) == 1 and not _says_something(text[slice(*joined[0])]):
            joined[0] = (joined[0][0], end)
        else:
            joined.append((start, end))
    return joined


def joined(parts: Iterable[str]) -> str:
    """Words one after another as they are written: with a space between, where their scripts have one."""
    text = ""
    for part in parts:
        spaced = text and not (_UNSPACED.match(part) or _UNSPACED.search(text[-1:]) or _wide_mark(text[-1:]))
        text += f" {part}" if spaced else part
    return text


def _wide_mark(character: str) -> bool:
    return (
        bool(character)
        and unicodedata.east_asian_width(character) in "WF"
        and unicodedata.category(character)[0] == "P"
    )

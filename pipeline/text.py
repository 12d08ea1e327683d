"""Text that can be spoken: cleaned once at the door, then cut where a speaker breathes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from pipeline.errors import InvalidText

PIECE = 400
"""Characters of the longest piece that `sentences` gives: some 25 s of speech."""

MARKS = 30
"""Combining marks that may follow one another: no script needs more (UAX #15, section 13), and to bring a run into
order takes time that grows with the square of its length."""

_MARKS_IN_DISGUISE = "\u0f73\u0f75\u0f81"
"""Tibetan vowels of no combining class that are two marks each when they are taken apart: the only ones in Unicode."""

_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_LINE_BREAKS = re.compile(f"[{_BREAKS}]+")
_SPACE = re.compile(r"\s*")
_SOUND = re.compile(r"[^\W_]")  # a letter or a digit
_JOINERS = "\u200c\u200d"  # spell words in Persian, Hindi, Sinhala ...; noise elsewhere
_JOINER = re.compile(f"[{_JOINERS}]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # choose a glyph, not a sound
_UNSPEAKABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
"""Control characters that are no white space, lone surrogates, noncharacters."""

_ENDS = ".!?…"  # end a sentence where white space follows
_WIDE_ENDS = "。！？｡।॥؟۔։።፧។៕။"  # end a sentence whatever follows
_CLOSERS = "\"'”’»›)]}」』】）》〉"
_MARKS = re.compile(f"[{re.escape(_ENDS + _WIDE_ENDS)}]+")
_GREEK_MARKS = re.compile(f"[{re.escape(_ENDS + _WIDE_ENDS)};]+")  # asks with what NFC writes as a semicolon
_CLOSING = re.compile(f"(?:[{re.escape(_CLOSERS)}]| (?=»))*+")  # French spaces it
_CLAUSES = re.compile(r"""(?<![,;:)—–"'”’»›\]}])["'”’»›\]}]*+[,;:)—–][,;:)—–"'”’»›\]}]*+(?=\s)|[，、；：､،؛፣፤၊]""")
"""A run of marks that has a clause's before white space, each run looked at once; and the marks of scripts without."""
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

_KNOWN = {
    language: frozenset(f"{_ABBREVIATIONS['']} {abbreviations}".split())
    for language, abbreviations in _ABBREVIATIONS.items()
}
_BEFORE_A_NUMBER = "no nr nº fig vol p pp ch art sec par"


def normalise(text: str, *, limit: int) -> str:
    """`text` in Unicode NFC, invisible characters gone, white space single, lines kept apart by one `\\n`.

    The result holds at least one letter or digit and at most `limit` characters. Raises `InvalidText` (field
    `text`) with the code `invalid_characters` for control characters, noncharacters, lone surrogates and more than
    `MARKS` combining marks in a row, `text_empty`, `nothing_to_say` where there are only punctuation, symbols or emoji,
    and `text_too_long`.
    Markup is not looked for: `<b>` is text like any other.
    """
    if found := _UNSPEAKABLE.search(text):
        raise InvalidText(
            f"The text has the unspeakable character U+{ord(found[0]):04X} at position {found.start()}.",
            code="invalid_characters",
            field="text",
            accepted="Unicode text without control characters",
        )
    _check_marks(text)
    text = _visible(_SELECTORS.sub("", unicodedata.normalize("NFC", text)))
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
    after_break = max(text.rfind(mark) for mark in _BREAKS) + 1
    start = end = _after_blanks(text, after_break) if after_break else 0
    # Whether a mark ends a sentence is seen by the letter that comes after it.
    last = next((place for place in range(len(text) - 1, start - 1, -1) if text[place].isalnum()), -1)
    for place in _ends_of(text[start:], base):
        if start + place <= last:
            end = start + place
    while len(text) - end > longest:
        end += _last_cut(text[end : end + longest + 1], longest)
    return end


def _after_blanks(text: str, place: int) -> int:
    blanks = _SPACE.match(text, place)
    return blanks.end() if blanks else place


def _check_marks(text: str) -> None:
    if text.isascii():
        return
    run = 0
    for place, character in enumerate(text):
        run = run + 1 if unicodedata.combining(character) or character in _MARKS_IN_DISGUISE else 0
        if run > MARKS:
            raise InvalidText(
                f"The text has more than {MARKS} combining marks in a row at position {place}.",
                code="invalid_characters",
                field="text",
                accepted=f"at most {MARKS} marks on a letter",
            )


def _visible(text: str) -> str:
    """Without format characters (zero-width, bidirectional, soft hyphen), except joiners inside a word."""
    if text.isascii():
        return text
    there = {character: unicodedata.category(character) for character in set(text) if not character.isascii()}
    letters = {character for character, category in there.items() if category[0] in "LM"}

    def spelling(joiner: re.Match[str]) -> str:
        start, end = joiner.span()
        inside = end - start == 1 and text[start - 1 : start] in letters and text[end : end + 1] in letters
        return joiner[0] if inside else ""

    formats = {ord(character): None for character, category in there.items() if category == "Cf"}
    for joiner in map(ord, _JOINERS):
        formats.pop(joiner, None)
    joined_up = _JOINER.sub(spelling, text)
    return joined_up.translate(formats) if formats else joined_up


def _says_something(text: str) -> bool:
    return _SOUND.search(text) is not None


def _cut_sentences(line: str, language: str) -> Iterator[str]:
    start = 0
    for end in _ends_of(line, language):
        yield line[start:end].strip()
        start = end
    if line[start:].strip():
        yield line[start:].strip()


def _ends_of(line: str, language: str) -> Iterator[int]:
    """Where the sentences of a line end that have a mark at their end."""
    marks = _GREEK_MARKS if language == "el" else _MARKS
    start = place = 0
    while found := marks.search(line, place):
        first, place = found.span()
        if closers := _CLOSING.match(line, place):
            place = closers.end()
        wide = any(character in _WIDE_ENDS for character in found[0])
        if wide or (line[place : place + 1].isspace() and _ends_here(line, start, first, found[0], place, language)):
            yield place
            start = place


def _ends_here(line: str, start: int, first: int, mark: str, place: int, language: str) -> bool:
    """Whether `mark` at `first` ends the sentence that began at `start`; what follows begins at `place`."""
    following = line[place : place + 40].lstrip(" " + _CLOSERS + "“‘«‹([{¿¡-–—")[:1]
    if following.islower():
        return False
    if mark != ".":
        return True
    before = line[max(start, first - 40) : first].lstrip()
    words = before.rsplit(maxsplit=1)
    word = words[-1].lstrip("“‘«‹([{\"'¿¡") if words else ""
    if not word:
        return False
    if word.isdigit():  # "1. First", "am 3. Oktober"
        alone = before.rstrip() == word and first - start <= 40
        return not alone and not (language in _ORDINALS_WITH_A_POINT.split() and len(word) <= 2)
    if "." in word and all(len(part) <= 2 for part in word.split(".")):  # U.S., e.g., z.B.
        return False
    if len(word) == 1 and word.isupper() and not (word == "I" and language == "en"):  # J. Smith
        return False
    if following.isdigit() and word.lower() in _BEFORE_A_NUMBER.split():
        return False
    return word.lower() not in _KNOWN.get(language, _KNOWN[""])


def _cut_long(sentence: str, longest: int) -> Iterator[str]:
    start = 0
    while len(sentence) - start > longest:
        end = start + _last_cut(sentence[start : start + longest + 1], longest)
        yield sentence[start:end].strip()
        start = _after_blanks(sentence, end)
    if start < len(sentence):
        yield sentence[start:]


def _last_cut(sentence: str, longest: int) -> int:
    """Where to cut a sentence that begins with these `longest` + 1 characters: after the last clause, else word, else
    character that fits."""
    clauses = [match.end() for match in _CLAUSES.finditer(sentence) if match.end() <= longest]
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

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InvalidText
from pipeline.text import PIECE, ended, joined, normalise, sentences, words


def refused(text, limit=1000):
    with pytest.raises(InvalidText) as caught:
        normalise(text, limit=limit)
    assert caught.value.field == "text"
    assert caught.value.accepted
    return caught.value.code


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u200b\u200b", "\ufeff", "\u00ad", "\u2028", "\u00a0"])
def test_nothing_is_empty(text):
    assert refused(text) == "text_empty"


@pytest.mark.parametrize(
    "text", ["...", "?!", "—", "😀", "👨\u200d👩\u200d👧", "<>", "© ™ €", "。！？", "\u0301", "⚡️"]
)
def test_signs_alone_say_nothing(text):
    assert refused(text) == "nothing_to_say"


@pytest.mark.parametrize(
    "bad", ["\x00", "\x01", "\x07", "\x1b", "\x7f", "\x80", "\ud800", "\udfff", "\uffff", "\ufdd0"]
)
def test_characters_nobody_can_say_are_named(bad):
    with pytest.raises(InvalidText) as caught:
        normalise(f"hello{bad}world", limit=1000)
    assert caught.value.code == "invalid_characters"
    assert f"U+{ord(bad):04X} at position 5" in caught.value.message


def test_too_long_counts_what_is_left():
    assert refused("a" * 1001) == "text_too_long"
    assert normalise("a" * 1000 + " " * 500, limit=1000) == "a" * 1000
    assert refused("word " * 40_000, limit=5000) == "text_too_long"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  a \t b\u00a0c\u3000d ", "a b c d"),
        ("one\r\n\r\n two\u2028three\x85four", "one\ntwo\nthree\nfour"),
        ("Cafe\u0301", "Café"),
        ("in\u200bvis\u00adib\ufeffle", "invisible"),
        ("left\u202eright\u2066x", "leftrightx"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # Persian spells words with it
        ("क्\u200dष", "क्\u200dष"),
        ("ab\u200ccd\u200d", "abcd"),
        ("heart ❤\ufe0f", "heart ❤"),
        ("<speak>&lt;[[x]]", "<speak>&lt;[[x]]"),
        ("42", "42"),
        ("\U0001d51e", "\U0001d51e"),
    ],
)
def test_clean_text(text, clean):
    assert normalise(text, limit=1000) == clean


@settings(deadline=None)
@given(st.text())
def test_clean_text_stays_as_it_is(text):
    try:
        clean = normalise(text, limit=500)
    except InvalidText as error:
        assert error.code in ("text_empty", "text_too_long", "nothing_to_say", "invalid_characters")
        return
    assert normalise(clean, limit=500) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert not any(ord(character) < 32 and character != "\n" for character in clean)


@pytest.mark.parametrize(
    ("language", "pieces"),
    [
        ("en", ["Dr. Smith paid $3.14 to J. R. Hale.", "It was late."]),
        ("en", ['"Stop!" he said.', '"Never."', '"Why?"', "Really?!", "Yes... and no."]),
        ("en-us", ["He lives in the U.S. now, e.g. in St. Paul.", "So did I.", "Then I left."]),
        ("en", ["See No. 5 on p. 7.", "She said no.", "It was 1999.", "See www.example.com/a?b=c!"]),
        ("en", ["Wait… what?", "(Indeed.)", "“Fine.”", "Next"]),
        ("de", ["Am 3. Oktober kam Hr. Müller z.B. nach Köln.", "Das war 1990.", "Gut."]),
        ("fr", ["M. Dupont est là !", "« Vraiment ? »", "Oui."]),
        ("es", ["¿Qué?", "¡No!", "El Sr. López vino."]),
        ("zh", ["你好。", "今天天气很好！", "「真的吗？」", "他有3.5公里。"]),
        ("ja", ["きょうは「はい。」", "そうです。"]),
        ("hi", ["नमस्ते।", "आप कैसे हैं?", "ठीक।"]),
        ("ar", ["مرحبا.", "كيف حالك؟", "بخير"]),
        ("el", ["Τι κάνεις;", "Καλά."]),
        ("hy", ["Բարեւ։", "Լավ։"]),
        ("my", ["မင်္ဂလာပါ။", "ကောင်းပါတယ်။"]),
    ],
)
def test_sentences_end_where_a_reader_stops(language, pieces):
    joint = "" if language in ("zh", "ja") else " "
    assert sentences(joint.join(pieces), language) == pieces


def test_lines_are_pieces():
    assert sentences("Chapter 1\nIt was dark\n...\n1. First\n2. Second", "en") == [
        "Chapter 1",
        "It was dark",
        "1. First",
        "2. Second",
    ]


def test_a_long_sentence_is_cut_at_clauses():
    clause = "and then the wind turned over the grey sea,"
    pieces = sentences(" ".join([clause] * 30) + " at last.", "en")
    assert len(pieces) > 3
    assert all(piece.endswith(("sea,", "last.")) for piece in pieces)


def test_a_long_clause_is_cut_at_words_and_a_long_word_anywhere():
    pieces = sentences("over " * 300, "en")
    assert all(set(piece.split()) == {"over"} for piece in pieces)
    assert [len(piece) for piece in sentences("漢" * 1000, "zh")] == [400, 400, 200]
    marked = sentences("q\u0301" * 500, "en")
    assert all(not piece.startswith("\u0301") for piece in marked)


PARTS = ["word", "Mr.", "3.14", "…", "...", "!", "?!", ", ", " ", "  ", "\n", '"', "」", "。", "漢字", "؟", "।"]
PARTS += ["e\u0301", "a" * 300, "J.", "no", "5", "—", ";", "😀", "\u200d", "(", ")", "नमस्ते", "U.S.", " »", "«"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PARTS), max_size=60), st.sampled_from(["en", "de", "zh", "el", "xx"]))
def test_no_word_is_lost_and_no_piece_is_long(parts, language):
    text = "".join(parts)
    pieces = sentences(text, language)
    assert [c for piece in pieces for c in piece if c.isalnum()] == [c for c in text if c.isalnum()]
    assert all(0 < len(piece) <= PIECE for piece in pieces)
    assert all(any(c.isalnum() for c in piece) for piece in pieces)


def test_a_book_is_cut_in_one_pass():
    assert len(sentences("It rained. " * 20_000, "en")) == 20_000
    assert "".join(sentences("x" * 200_000, "en")) == "x" * 200_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello,", "world!"]),
        ("« Bonjour », dit-il : ça va ?", ["« Bonjour »,", "dit-il :", "ça", "va ?"]),
        ("wait — what...", ["wait —", "what..."]),
        ("今天很好,我们。", ["今", "天", "很", "好,", "我", "们。"]),
        ("iPhone手机 ok", ["iPhone", "手", "机", "ok"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("...", ["..."]),
        ("", []),
    ],
)
def test_words_with_their_punctuation(text: str, expected: list[str]) -> None:
    found = [text[start:end] for start, end in words(text)]
    assert found == expected
    assert "".join(joined(found).split()) == "".join(text.split())


TALK = (
    "Good morning, Dr. Smith! It is 3.5 degrees (so I hear). \u201cIs it?\u201d she asked. Am 3. Oktober... war es.\n"
    "A heading\nAnd \u00abvraiment ?\u00bb Yes. \u4f60\u597d\u3002\u518d\u89c1\u3002 U.S. troops left. J. Smith stayed"
)


@given(st.lists(st.integers(0, len(TALK)), max_size=30), st.sampled_from(["en", "de", "fr"]))
def test_text_that_comes_in_pieces_has_the_same_sentences(cuts, language):
    found, rest, start = [], "", 0
    for end in [*sorted(cuts), len(TALK)]:
        rest += TALK[start:end]
        start = end
        while over := ended(rest, language):
            found += sentences(rest[:over], language)
            rest = rest[over:]
    assert found + sentences(rest, language) == sentences(TALK, language)


def test_a_sentence_has_ended_when_another_has_begun():
    assert ended("Hello there. ", "en") == 0
    assert ended("Hello there. W", "en") == len("Hello there.")
    assert ended("It is Dr. W", "en") == 0
    assert ended("Hello there.\n", "en") == len("Hello there.\n")
    assert ended("word " * 100, "en", 50) in range(450, 501)
    assert ended("x" * 100, "en", 50) == 50


def steps(work):
    """Lines of Python that it runs."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event == "line"
        return seen

    before = sys.gettrace()
    sys.settrace(seen)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unit", ["。、", "a。", "漢", "1. ", ". ", "a. ", ") ", "a\u0301", "क\u200d", " "])
def test_a_text_twice_as_long_is_twice_the_work(unit):
    for cut in (lambda text: ended(text, "de"), lambda text: sentences(text, "de")):
        short, long = (steps(lambda cut=cut, count=count: cut(unit * count)) for count in (1000, 2000))
        assert long <= 2.2 * short + 100


@pytest.mark.parametrize(
    "unit", [" ", "\u00a0", "\n", " \n", "a", ")", ",", ".", "1. ", "\u200d", "\ufe0f", "\u0301\u0316", "a\u0301"]
)
def test_no_pattern_goes_back_over_what_it_has_seen(unit):
    """One whose work grows with the square of the text would be here for minutes."""
    text = "a" + unit * (300_000 // len(unit)) + "b"
    ended(text, "de")
    try:
        sentences(normalise(text, limit=10**6), "de")
    except InvalidText as error:
        assert error.code == "invalid_characters"
        assert unit == "\u0301\u0316"


def test_marks_without_end_are_refused():
    assert normalise("a" + "\u0316\u0301" * 15, limit=1000)
    with pytest.raises(InvalidText) as caught:
        normalise("a" + "\u0316\u0301" * 500_000, limit=10**6)
    assert caught.value.code == "invalid_characters"
    assert "at position 31" in caught.value.message


def test_marks_that_look_like_letters_are_marks():
    """They are of no combining class, and two of one each when a text is brought into order."""
    for code in range(sys.maxunicode + 1):
        first = unicodedata.normalize("NFD", chr(code))[0]
        if unicodedata.combining(first) and not unicodedata.combining(chr(code)):
            with pytest.raises(InvalidText):
                normalise("a" + 500_000 * chr(code), limit=10**6)

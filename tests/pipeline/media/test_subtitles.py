"""Subtitles that can be read: the conventions hold for any words, and every word is shown once, in order, in time."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import av
import numpy as np
import pytest

from pipeline.contracts import Phoneme, Transcript, Word
from pipeline.media.subtitles import (
    GAP,
    LINE,
    LONGEST,
    PACE,
    SHORTEST,
    as_file,
    as_transcription,
    cues,
    ends_sentence,
    written,
)
from pipeline.text import joined, words

SPEECH = (
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow. The rainbow is a division "
    "of white light into many beautiful colours. These take the shape of a long round arch, with its path high above, "
    "and its two ends apparently beyond the horizon. There is, according to legend, a boiling pot of gold at one end!"
)


def spoken(text: str, pace: float = 15.0, pause: float = 0.4) -> list[Word]:
    """So many characters a second, with a pause after each sentence."""
    made, at = [], 0.5
    for start, end in words(text):
        seconds = (end - start + 1) / pace
        made.append(Word(at, at + 0.9 * seconds, text[start:end]))
        at += seconds + (pause if ends_sentence(text[start:end]) else 0)
    return made


@pytest.mark.parametrize("pace", [6, 15, 30])
def test_the_conventions_hold(pace: float) -> None:
    said = spoken(SPEECH, pace)
    shown = cues(said)
    assert joined(line for cue in shown for line in cue.lines) == SPEECH
    starts = {word.start for word in said}
    for cue in shown:
        assert 1 <= len(cue.lines) <= 2
        assert all(len(line) <= LINE for line in cue.lines)
        assert cue.start in starts
        assert 0 < cue.end - cue.start <= LONGEST
    for one, other in pairwise(shown):
        assert one.end <= other.start - GAP + 1e-9
    if pace <= 15:
        for cue in shown:
            assert cue.end - cue.start >= SHORTEST - 1e-9
            assert len(" ".join(cue.lines)) / (cue.end - cue.start) <= PACE + 1e-9


def test_sentences_and_clauses_stay_together() -> None:
    shown = cues(spoken(SPEECH))
    ends = [cue.lines[-1][-1] for cue in shown]
    assert sum(end in ".,!" for end in ends) >= 0.7 * len(ends)
    assert not any(re.search(r"[.!?] \w", " ".join(cue.lines)) for cue in shown)
    two = [cue for cue in shown if len(cue.lines) == 2]
    assert two
    assert all(min(len(line) for line in cue.lines) >= 10 for cue in two)


def test_a_pause_is_no_cue() -> None:
    said = [Word(0, 0.5, "Well"), Word(4.0, 4.5, "yes"), Word(4.5, 5.2, "indeed")]
    first, second = cues(said)
    assert (first.lines, second.lines) == (("Well",), ("yes indeed",))
    assert (first.start, first.end, second.start) == (0, SHORTEST, 4.0)


def test_words_longer_than_a_line_and_scripts_without_spaces() -> None:
    address = "https://example.org/" + "a" * 100
    shown = cues([Word(0, 6, address)])
    assert "".join(line for cue in shown for line in cue.lines) == address
    assert max(len(line) for cue in shown for line in cue.lines) == LINE
    chinese = "今天天气很好，我们一起去公园玩吧。他买了八本书和一把白色的雨伞，然后回家了。"
    shown = cues(spoken(chinese, pace=5))
    assert "".join(line for cue in shown for line in cue.lines) == chinese
    assert max(len(line) for cue in shown for line in cue.lines) <= LINE // 2


def test_players_read_both_formats() -> None:
    said = [Word(0.5, 1.25, "Tom"), Word(1.25, 2, "&"), Word(2, 3, "<Jerry>."), Word(3661.5, 3662.75, "End.")]
    srt, vtt = written(said, "srt").decode(), written(said, "vtt").decode()
    assert srt.splitlines()[:3] == ["1", "00:00:00,500 --> 00:00:03,000", "Tom & <Jerry>."]
    assert "01:01:01,500 --> 01:01:02,750" in srt
    assert vtt.splitlines()[:4] == ["WEBVTT", "", "00:00:00.500 --> 00:00:03.000", "Tom &amp; &lt;Jerry&gt;."]
    for data, format in ((srt, "srt"), (vtt, "webvtt")):
        with av.open(io.BytesIO(data.encode()), "r", format=format) as file:
            times = [float(packet.pts * packet.time_base) for packet in file.demux() if packet.pts is not None]
        assert times == pytest.approx([0.5, 3661.5])


def test_no_words_are_no_cues() -> None:
    assert cues([]) == []
    assert written([], "vtt") == b"WEBVTT\n"
    assert written([], "srt") == b""


def test_a_transcript_as_a_file() -> None:
    found = Transcript("Hi you.", "en", (Word(0, 0.5, "Hi"), Word(0.5, 1, "you.", 0.25)), (Phoneme(0, 1, ""),), 0.5)
    shown = as_transcription(found, 1.23456, "align")
    assert as_file(shown, "text") == b"Hi you.\n"
    assert type(shown).model_validate_json(as_file(shown, "json")) == shown
    assert (shown.seconds, shown.words[1].confidence, shown.backend) == (1.235, 0.25, "align")


def test_long_speech_takes_no_longer_than_its_length() -> None:
    """Every start of a cue is looked at, but only as far back as a cue may reach."""
    many = spoken(" ".join([SPEECH] * 20))
    assert len(cues(many)) == pytest.approx(20 * len(cues(spoken(SPEECH))), rel=0.1)
    assert np.all(np.diff([cue.start for cue in cues(many)]) > 0)

"""Server-sent events are read as the standard says, however the bytes arrive."""

from __future__ import annotations

import pytest

from clients.python.sse import Message, lines, messages

STREAM = (
    ": welcome\n\n"
    "id: 1\nevent: task.started\ndata: {}\n\n"
    "data: two\ndata:lines\n\n"
    "event: nothing to say\n\n"
    "id: 7\n\n"
    "id\nretry: 10\nunknown: x\ndata: \u2028a\x85b\x0bc\r\n\r\n"
    "id: 9\ndata: cut off"
)
EXPECTED = [
    Message("message", "", ""),
    Message("task.started", "{}", "1"),
    Message("message", "two\nlines", "1"),
    Message("nothing to say", "", "1"),
    Message("message", "", "7"),
    Message("message", "\u2028a\x85b\x0bc", ""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_in_pieces_of_any_size(size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert list(messages(lines(pieces))) == EXPECTED


def test_an_id_with_nul_is_none() -> None:
    assert list(messages(["id: 1", "data: a", "", "id: 2\0", "data: b", ""])) == [
        Message("message", "a", "1"),
        Message("message", "b", "1"),
    ]

"""Server-sent events, as the WHATWG's HTML standard writes them, taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a stream; without `data` it is none, but its `id` still says where to take up again."""

    event: str
    data: str
    id: str = ""


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """Whole lines of text that arrives in pieces, cut at LF and CR LF alone: JSON may hold any other separator as it
    is. What follows the last line end is an event that was cut off, and is left out."""
    rest = ""
    for piece in pieces:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield line.removesuffix("\r")


def messages(lines: Iterable[str]) -> Iterator[Message]:
    """The events of a stream, and messages without data for the comments with which a server shows that it is there."""
    event, data, last = "message", [], ""
    for line in lines:
        if not line:
            yield Message(event, "\n".join(data), last)
            event, data = "message", []
        else:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                event = value
            elif name == "id" and "\0" not in value:
                last = value

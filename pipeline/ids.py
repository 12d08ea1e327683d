"""Ids of stored and running things: a prefix and a ULID in lower case, `voi_01k9x4...`."""

from __future__ import annotations

import re
import secrets
import threading
import time

from pipeline.errors import NotFound

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PREFIX = re.compile(r"[a-z]{2,8}")
_BODY = re.compile(rf"[0-7][{_ALPHABET}]{{25}}")  # 26 characters hold 130 bits, a ULID has 128

_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """`<prefix>_` and 26 characters: 48 bits of milliseconds, then 80 random bits (github.com/ulid/spec).

    Ids sort by the time they were made; those of one process strictly, also within a millisecond.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"an id's prefix is 2 to 8 lower-case letters, not {prefix!r}")
    global _last
    with _lock:
        number = (time.time_ns() // 1_000_000 % (1 << 48)) << 80 | secrets.randbits(80)
        if number >> 80 <= _last >> 80:  # same millisecond, or the clock went back
            number = _last + 1
        _last = number
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def is_id(prefix: str, text: str) -> bool:
    """Whether `text` has the form that `new_id(prefix)` gives; safe to put into a path if so."""
    head, underscore, body = text.partition("_")
    return head == prefix and bool(underscore) and _BODY.fullmatch(body) is not None


def check_id(prefix: str, text: str) -> str:
    """`text` itself. Raises `NotFound` where it can't be the id of anything, so call it before building a path."""
    if not is_id(prefix, text):
        shown = text if len(text) <= 60 else text[:60] + "…"
        raise NotFound(f"There is nothing with the id {shown!r}.", field="id", accepted=f"{prefix}_ and 26 characters")
    return text

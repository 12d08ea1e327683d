"""Avatars are made ready once, and told apart by their portraits."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from deployments.backends.lipsync.kept import Kept
from pipeline.contracts import AnimationRequest, Face, Speech

FACE = Face(np.full((478, 3), 5, np.float32), (1, 1, 9, 9), 0, 0, 0, 1, (0, 0, 64))
REQUEST = AnimationRequest(
    np.zeros((64, 64, 3), np.uint8), FACE, Speech(np.zeros(10, np.float32), 8000, None, "en"), 128, Fraction(25)
)


def made(*requests: AnimationRequest) -> list[int]:
    """The places of those that were made ready."""
    kept = Kept(lambda request: request, 8)
    return [place for place, request in enumerate(requests) if kept.of(request) is request]


class Unseen(np.ndarray):
    """A picture that may not be read."""

    def tobytes(self, order: object = None) -> bytes:
        raise AssertionError("it was read")


def test_by_content_where_no_digest_is_told() -> None:
    other = np.zeros((64, 64, 3), np.uint8)
    other[5, 5] = 1
    requests = (
        REQUEST,
        replace(REQUEST, portrait=REQUEST.portrait.copy(), seed=3),
        replace(REQUEST, portrait=other),
        replace(REQUEST, face=replace(FACE, crop=(0, 0, 32))),
        replace(REQUEST, size=256),
    )
    assert made(*requests) == [0, 2, 3, 4]


def test_by_digest_where_it_is_told_and_the_picture_is_not_read() -> None:
    one = replace(REQUEST, portrait=REQUEST.portrait.view(Unseen), portrait_digest="1" * 64)
    assert made(one, replace(one, seed=3), replace(one, portrait_digest="2" * 64), replace(one, size=256)) == [0, 2, 3]

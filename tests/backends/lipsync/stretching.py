"""Stretch by stretch: a video made as one that is watched meanwhile is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from pipeline.contracts import HEARD_AFTER, HEARD_BEFORE, AnimationRequest, StretchRequest
from pipeline.models import StretchingModel


def stretches(model: StretchingModel, asked: AnimationRequest, counts: Iterable[int], first: int = 0) -> np.ndarray:
    """The frames from `first` on, so many at once, each time with no more sound around them than is promised."""
    made: list[np.ndarray] = []
    before, after = (int(seconds * asked.fps) + 2 for seconds in (HEARD_BEFORE, HEARD_AFTER))
    for count in counts:
        known = StretchRequest(asked, max(0, first - before), first, min(count, asked.frame_count - first))
        heard = asked.speech.cut(known.sample_at(known.heard_from), known.sample_at(first + count + after))
        runs = list(model.stretch(replace(known, animation=replace(asked, speech=heard))))
        assert [run.first for run in runs] == [first + sum(len(r.planes) for r in runs[:i]) for i in range(len(runs))]
        made += [run.planes for run in runs]
        first += count
        if first >= asked.frame_count:
            break
    return np.concatenate(made)

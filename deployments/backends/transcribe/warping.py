"""Dynamic time warping of a recording to a template: monotonic, every frame of the recording in one state.

Sakoe and Chiba, "Dynamic programming algorithm optimization for spoken word recognition", IEEE Trans. ASSP 26, 1978,
with steps that suit a template of states: each frame of the recording stays in its state or goes on by one, two or
three of them. So a recording may be as slow as it likes and up to three times as fast as the template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FASTEST: Final = 3
"""States that one frame may go on by."""

STEPS: Final[tuple[float, ...]] = (0.5, 0.0, 0.4, 0.9)
"""What staying, and going on by one, two and three states costs; a pair of frames that do not match costs about 1.4."""

WIDTH: Final = 3000
"""States looked at for each frame: all of them in templates up to 30 s, else those around the best so far."""

_BLOCK: Final = 64
"""Frames for which distances are computed, and the window moved, at once."""


@dataclass(frozen=True, slots=True)
class Warped:
    """Where a template lies in a recording."""

    path: NDArray[np.int32]
    """(frames,) the state of each frame, never falling."""
    costs: NDArray[np.float32]
    """(frames,) what each frame costs: its distance from its state, and the step to it."""


def warp(
    recording: NDArray[np.float32],
    template: NDArray[np.float32],
    ceiling: NDArray[np.float32],
    patient: NDArray[np.bool_],
    width: int = WIDTH,
) -> Warped | None:
    """The cheapest way from one of the first two states to one of the last two. None where the template does not fit
    into the recording.

    `recording` is (frames, n) and `template` (states, n); their distance is Euclid's, at most `ceiling`, (states,). In
    a state that is `patient`, (states,), staying costs nothing.
    """
    frames, states = len(recording), len(template)
    if frames * FASTEST < states:
        return None
    width = min(width, states)
    stay = np.where(patient, np.float32(0), np.float32(STEPS[0]))
    squares = np.einsum("ij,ij->i", template, template)
    came = np.empty((frames, width), np.uint8)
    lows = np.empty(frames, np.int32)
    total = np.full(width + FASTEST, np.inf, np.float32)  # of the window, with what is left of it before
    low = 0
    for first in range(0, frames, _BLOCK):
        part = recording[first : first + _BLOCK]
        low, total = _moved(total, low, width, states, first, frames)
        window = slice(low, low + width)
        distance = np.einsum("ij,ij->i", part, part)[:, None] + squares[window] - 2 * (part @ template[window].T)
        cost = np.minimum(np.sqrt(np.maximum(distance, 0)), ceiling[window])
        for row, here in enumerate(cost, first):
            lows[row] = low
            if row == 0:
                total[FASTEST:] = np.inf
                total[FASTEST : FASTEST + 2] = here[:2]
                came[0] = 0
                continue
            best = total[FASTEST:] + stay[window]
            origin = came[row]
            origin[:] = 0
            for by in range(1, FASTEST + 1):
                other = total[FASTEST - by : -by] + np.float32(STEPS[by])
                better = other < best
                origin[better] = by
                np.minimum(best, other, out=best)
            total[FASTEST:] = best + here
            total[:FASTEST] = np.inf
    last = low + int(np.argmin(np.where(np.arange(width) + low >= states - 2, total[FASTEST:], np.inf)))
    if last < states - 2 or not np.isfinite(total[FASTEST + last - low]):
        return None
    path = np.empty(frames, np.int32)
    state = last
    for row in range(frames - 1, -1, -1):
        path[row] = state
        state -= int(came[row, state - lows[row]])
    return Warped(path, _along(recording, template, ceiling, stay, path))


def _moved(
    total: NDArray[np.float32], low: int, width: int, states: int, row: int, frames: int
) -> tuple[int, NDArray[np.float32]]:
    """The window around the best state, no further back than it was."""
    if width == states or row == 0:
        return low, total
    best = low + int(np.argmin(total[FASTEST:]))
    # Whatever is best: the last state has to be within reach when this block is done.
    least = states - max(0, frames - row - _BLOCK) * FASTEST - 1
    new = min(max(low, best - width // 2, least - width + 1), states - width)
    shifted = np.full_like(total, np.inf)
    kept = total[new - low :]
    shifted[: len(kept)] = kept
    return new, shifted


def _along(
    recording: NDArray[np.float32],
    template: NDArray[np.float32],
    ceiling: NDArray[np.float32],
    stay: NDArray[np.float32],
    path: NDArray[np.int32],
) -> NDArray[np.float32]:
    difference = recording - template[path]
    costs = np.minimum(np.sqrt(np.einsum("ij,ij->i", difference, difference)), ceiling[path])
    by = np.diff(path)
    costs[1:] += np.where(by == 0, stay[path[1:]], np.array(STEPS, np.float32)[by])
    return costs

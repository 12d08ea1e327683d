"""One film out of short clips: each goes on from the last one's end, into which it is faded, in the picture's light."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture

Pictures = NDArray[np.float32]
"""(n, height, width, 3), 0 to 255."""

GAINS: Final = (0.5, 2.0)
"""How much the contrast of a channel may be changed, at least and at most."""


@dataclass(frozen=True, slots=True)
class Light:
    """Mean and standard deviation of a picture's channels. Networks that go on from what they made themselves drift
    away from these, a little more with each clip."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, picture: NDArray[np.generic]) -> Light:
        pixels = picture.reshape(-1, 3).astype(np.float32)
        return cls(pixels.mean(axis=0), pixels.std(axis=0))

    def on(self, pictures: Pictures) -> Pictures:
        """The same pictures, each in this light (Reinhard et al., "Color Transfer between Images", 2001, in RGB)."""
        mean = pictures.mean(axis=(1, 2), keepdims=True)
        spread = pictures.std(axis=(1, 2), keepdims=True)
        gain = np.clip(self.spread / np.maximum(spread, 1e-3), *GAINS)
        return np.clip((pictures - mean) * gain + self.mean, 0, 255)


def chained(make: Callable[[Picture, int], Pictures], picture: Picture, overlap: int) -> Iterator[Picture]:
    """Pictures without end. `make` makes clip number n, whose first frame shows the picture that it is given.

    A clip takes the frame before whose end there are `overlap` others, those included, as the picture that the next
    one goes on from; over these frames, which both have, the one fades into the other. At the first of them it is
    still all the old clip, so that nothing jumps where a clip begins either. Clips have more than twice as many frames.
    """
    light = Light.of(picture)
    tail: Pictures | None = None
    for number in count():
        clip = light.on(make(picture, number))
        if len(clip) < 2 * overlap:
            raise ValueError(f"a clip of {len(clip)} frames can't overlap two others by {overlap}")
        if tail is not None:
            share = (np.arange(overlap, dtype=np.float32) / overlap)[:, None, None, None]
            clip[:overlap] = tail + share * (clip[:overlap] - tail)
        done, tail = clip[:-overlap], clip[-overlap:]
        for frame in done:
            yield rounded(frame)
        picture = rounded(tail[0])


def rounded(frame: NDArray[np.float32]) -> Picture:
    return np.clip(frame + 0.5, 0, 255).astype(np.uint8)

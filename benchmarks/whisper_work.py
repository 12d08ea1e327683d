"""What Whisper computes: FLOP of its encoder and its decoder, by its sizes. A multiplication with its addition is two.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", arXiv:2212.04356: two convolutions, the
second with a stride of two, and transformers. Counted are the matrix products, as torch's counter does; CTranslate2,
which runs it here, counts nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FRAMES: Final = 3000
"""Of the mel spectrogram of 30 s, which the encoder always hears."""
HEARD: Final = FRAMES // 2
"""Steps that it makes of them."""
BANDS: Final = 80


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one network; encoder and decoder have as many layers each."""

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int

    def encoder(self) -> int:
        """FLOP for 30 s of sound."""
        convolutions = 2 * 3 * BANDS * self.width * FRAMES + 2 * 3 * self.width**2 * HEARD
        layer = HEARD * (4 * 2 * self.width**2 + self._inner()) + 2 * 2 * HEARD**2 * self.width
        return convolutions + self.layers * layer

    def heard(self) -> int:
        """FLOP of the decoder's keys and values of what the encoder made, once for each 30 s."""
        return self.layers * 2 * 2 * self.width**2 * HEARD

    def tokens(self, count: int) -> int:
        """FLOP of `count` tokens one after the other, each of which looks at those before, in one beam."""
        products = 4 * 2 * self.width**2 + 2 * 2 * self.width**2 + self._inner() + 2 * 2 * HEARD * self.width
        before = 2 * 2 * self.width * count * (count + 1) // 2
        return self.layers * (count * products + before) + count * 2 * self.width * self.vocabulary

    def _inner(self) -> int:
        return 2 * 2 * self.width * self.inner


SMALL: Final = Sizes(layers=12, width=768, heads=12, inner=3072, vocabulary=51_865)
"""Of faster-whisper-small."""
TINY: Final = Sizes(layers=1, width=16, heads=2, inner=16, vocabulary=51_865)
"""Of the one that shows that a script runs."""

"""Who is in the portrait: everything the painters need to know, as words and numbers."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]
"""sRGB, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Traits:
    """A person and their picture. The words are those of `vocabulary`."""

    seed: int
    femininity: float
    """0 masculine to 1 feminine: proportions, brows, lashes, lips."""
    age: float
    """0 about twenty, 0.5 about forty-five, 1 about eighty."""
    skin: str
    heritage: str
    """A key of `casting.HERITAGES`: bends lids, nose and lips a little."""
    eyes: str
    hair: str
    """A style of hair, `bald` among them."""
    hair_colour: str
    fringe: bool
    beard: str
    """`none` or a style of facial hair."""
    glasses: str
    """`none` or a frame."""
    headwear: str
    headwear_colour: str
    earrings: str
    clothes: str
    clothes_colour: str
    tie_colour: str
    """`none` or the colour of a tie."""
    background: str
    background_colour: str
    expression: str
    lighting: str
    freckles: bool
    lipstick: str
    """`none` or a colour."""

    @property
    def smile(self) -> float:
        """How far the closed lips turn up: 0 serious to 1 a clear smile."""
        return {"serious": 0.0, "calm": 0.38, "smile": 0.85}[self.expression]

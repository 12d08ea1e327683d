"""Styles: words around the prompt, and what the picture must not show.

All of them ask for what a talking portrait needs: one head, from the front, with closed lips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Style:
    """`{}` in `words` is the prompt."""

    words: str
    negative: str = ""

    def prompt(self, prompt: str) -> str:
        return self.words.format(prompt.strip() or "a person")

    def without(self, negative: str) -> str:
        """What must not be seen: of the style, and of the request."""
        return ", ".join(part for part in (negative.strip(), self.negative) if part)


_POSE: Final = "head and shoulders, facing the camera, eyes open, closed lips"
_FLAWS: Final = "two people, profile, hand on face, cropped head, deformed, blurry, text"

STYLES: Final[Mapping[str, Style]] = {
    "photo": Style(f"portrait photo of {{}}, {_POSE}, soft even light, sharp focus", _FLAWS),
    "studio": Style(f"studio headshot of {{}}, {_POSE}, plain grey backdrop, softbox light", _FLAWS),
    "cinematic": Style(f"film still, close-up of {{}}, {_POSE}, shallow depth of field", _FLAWS),
    "painting": Style(f"oil painting, portrait of {{}}, {_POSE}, fine brushwork", f"photo, frame, {_FLAWS}"),
    "cartoon": Style(f"3d cartoon character, {{}}, {_POSE}, clean shading", f"photo, {_FLAWS}"),
    "none": Style("{}"),
}
"""By name; none leaves the prompt as it is."""

"""Chooses a whole person: what the prompt asks for, and the rest from the seed.

Each trait has its own random stream, so the same seed is the same person in other clothes when only the clothes are
asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from deployments.backends.avatar.portrait.anatomy import stream
from deployments.backends.avatar.portrait.prompt import understood
from deployments.backends.avatar.portrait.traits import Traits


@dataclass(frozen=True, slots=True)
class Heritage:
    """What is common where a family comes from; each list is drawn from evenly, so repeated entries weigh more."""

    skins: tuple[str, ...]
    hair: tuple[str, ...]
    eyes: tuple[str, ...]
    textures: tuple[str, ...]


HERITAGES: Final[dict[str, Heritage]] = {
    "european": Heritage(
        ("fair", "light", "light"),
        ("brown", "dark brown", "light brown", "blonde", "auburn"),
        ("blue", "green", "hazel", "brown", "grey"),
        ("straight", "wavy"),
    ),
    "north european": Heritage(
        ("porcelain", "fair"),
        ("blonde", "light brown", "red", "ginger", "platinum"),
        ("blue", "green", "grey"),
        ("straight", "wavy"),
    ),
    "mediterranean": Heritage(
        ("light", "olive"), ("dark brown", "black", "brown"), ("brown", "hazel", "green"), ("wavy", "straight", "curly")
    ),
    "middle eastern": Heritage(
        ("olive", "tan", "light"),
        ("black", "dark brown"),
        ("brown", "dark brown", "hazel"),
        ("wavy", "straight", "curly"),
    ),
    "south asian": Heritage(
        ("tan", "brown", "brown"), ("black", "black", "dark brown"), ("dark brown", "brown"), ("straight", "wavy")
    ),
    "east asian": Heritage(
        ("light", "fair", "olive"), ("black", "black", "dark brown"), ("dark brown", "brown"), ("straight",)
    ),
    "southeast asian": Heritage(
        ("olive", "tan", "tan"), ("black", "dark brown"), ("dark brown", "brown"), ("straight", "wavy")
    ),
    "latin american": Heritage(
        ("tan", "olive", "brown"),
        ("dark brown", "black", "brown"),
        ("brown", "dark brown", "hazel"),
        ("wavy", "straight", "curly"),
    ),
    "african": Heritage(
        ("deep", "dark", "dark", "brown"), ("black", "black", "dark brown"), ("dark brown", "brown"), ("coily", "curly")
    ),
}

_BY_SKIN: Final = {
    "porcelain": ("north european", "european"),
    "fair": ("european", "north european", "east asian"),
    "light": ("european", "mediterranean", "east asian"),
    "olive": ("mediterranean", "middle eastern", "southeast asian", "latin american"),
    "tan": ("latin american", "south asian", "southeast asian", "middle eastern"),
    "brown": ("south asian", "african", "latin american"),
    "dark": ("african",),
    "deep": ("african",),
}
_AGES: Final = {"young": 0.0, "adult": 0.2, "middle-aged": 0.5, "old": 0.95}
_WOMEN: Final = {
    "straight": ("long", "bob", "ponytail", "bun", "long", "pixie"),
    "wavy": ("wavy", "wavy", "bob", "bun", "ponytail"),
    "curly": ("curly", "curly", "short curly", "bun"),
    "coily": ("afro", "curly", "bun", "short curly", "buzz cut"),
}
_MEN: Final = {
    "straight": ("short", "swept back", "short"),
    "wavy": ("swept back", "short", "short"),
    "curly": ("short curly", "short curly", "short"),
    "coily": ("buzz cut", "short curly", "buzz cut", "afro"),
}
_SHOWN: Final = {
    # styles of women and of men in which a texture that is asked for shows
    "straight": (("long", "bob"), ("short", "swept back")),
    "wavy": (("wavy", "wavy bob"), ("swept back", "short")),
    "curly": (("curly", "curly bob"), ("short curly",)),
    "coily": (("afro", "curly"), ("short curly", "afro")),
}
_LENGTHS: Final = {
    # asked length -> style by texture
    "long": {"straight": "long", "wavy": "wavy", "curly": "curly", "coily": "curly"},
    "medium": {"straight": "bob", "wavy": "wavy bob", "curly": "curly bob", "coily": "afro"},
    "short": {"straight": "short", "wavy": "short", "curly": "short curly", "coily": "short curly"},
    "buzz cut": dict.fromkeys(("straight", "wavy", "curly", "coily"), "buzz cut"),
}
_DARK_DYES: Final = frozenset({"black", "dark brown", "brown", "auburn", "light brown"})


Draw = Callable[[str, tuple[str, ...]], str]
"""What the prompt says of a trait, or else one of the options by the seed."""


def cast(prompt: str, seed: int) -> Traits:
    """The person that `prompt` and `seed` name."""
    said = understood(prompt)

    def draw(trait: str, options: tuple[str, ...]) -> str:
        chosen = options[int(stream(seed, f"trait {trait}").integers(len(options)))]
        return said.get(trait, chosen)

    def chance(trait: str) -> float:
        return float(stream(seed, f"chance {trait}").uniform())

    gender = said.get("gender") or _hinted(said) or draw("gender", ("woman", "man"))
    femininity = {"woman": 0.84, "man": 0.04, "androgynous": 0.42}[gender] + 0.14 * chance("gender")
    age = _age(said, chance("age"))
    origins = tuple(HERITAGES)
    if "skin" in said:
        origins = _BY_SKIN[said["skin"]]
    elif (
        said.get("hair colour") in ("blonde", "platinum", "red", "ginger", "light brown") or said.get("eyes") == "blue"
    ):
        origins = ("european", "north european")
    elif said.get("hair style") == "afro" or said.get("hair texture") == "coily":
        origins = ("african",)
    heritage = HERITAGES[draw("heritage", origins)]
    texture = draw("hair texture", heritage.textures)
    clothes, clothes_colour, tie = _dress(said, draw, femininity, chance("tie"))
    background = draw("background", ("studio", "studio", "studio", "office", "nature", "room", "library", "city"))
    return Traits(
        seed=seed,
        femininity=femininity,
        age=age,
        skin=draw("skin", heritage.skins),
        heritage=draw("heritage", origins),
        eyes=draw("eyes", heritage.eyes),
        hair=_under(said, _style(said, draw, femininity, texture, age, chance("style"))),
        hair_colour=_hair_colour(said, draw("hair colour", heritage.hair), age, chance("grey")),
        fringe=said.get("fringe", "no") == "yes",
        beard=said.get("beard", _beard(femininity, chance("beard"))),
        glasses=said.get("glasses", _glasses(age, chance("glasses"))),
        headwear=said.get("headwear", "none"),
        headwear_colour=draw("headwear colour", ("teal", "navy", "burgundy", "mustard", "lavender", "grey", "beige")),
        earrings=said.get("earrings", "studs" if femininity > 0.6 and chance("earrings") < 0.45 else "none"),
        clothes=clothes,
        clothes_colour=clothes_colour,
        tie_colour=tie,
        background=background,
        background_colour=draw(
            "background colour", ("grey", "teal", "beige", "light blue", "lavender", "mint", "coral", "navy", "mustard")
        ),
        expression=draw("expression", ("calm", "calm", "smile")),
        lighting=draw("lighting", ("soft", "soft", "warm", "soft", "bright")),
        freckles=said.get("freckles", "yes" if _freckled(heritage, chance("freckles"), age) else "no") == "yes",
        lipstick=said.get("lipstick", _lipstick(femininity, chance("lipstick"))),
    )


def _age(said: dict[str, str], chance: float) -> float:
    words = said.get("age")
    if words is None:
        return 0.62 * chance**2.5
    if words in _AGES:
        return min(1.0, _AGES[words] + 0.1 * (chance - 0.5) * (_AGES[words] > 0))
    return min(1.0, max(0.0, (int(words) - 22) / 55))


def _freckled(heritage: Heritage, chance: float, age: float) -> bool:
    return "porcelain" in heritage.skins and chance < 0.55 and age < 0.5


def _beard(femininity: float, chance: float) -> str:
    if femininity > 0.3:
        return "none"
    return ("none", "none", "none", "stubble", "stubble", "short", "full", "goatee")[int(chance * 8)]


def _glasses(age: float, chance: float) -> str:
    return "none" if chance > 0.16 + 0.25 * age else ("round" if chance < 0.1 else "square")


def _lipstick(femininity: float, chance: float) -> str:
    return "none" if femininity < 0.6 or chance > 0.3 else ("red" if chance < 0.12 else "coral")


def _under(said: dict[str, str], style: str) -> str:
    """Big hair does not fit under a beanie."""
    flat = {"afro": "short curly", "bun": "long", "swept back": "short"}
    return flat.get(style, style) if said.get("headwear") == "beanie" else style


def _hinted(said: dict[str, str]) -> str | None:
    """The gender that goes with what is worn, where the prompt leaves it open."""
    if said.get("beard", "none") != "none" or said.get("hair style") == "balding":
        return "man"
    worn = said.get("headwear") == "hijab" or said.get("clothes") in ("dress", "blouse")
    return "woman" if worn or said.get("lipstick", "none") != "none" or said.get("earrings") == "hoops" else None


def _style(said: dict[str, str], draw: Draw, femininity: float, texture: str, age: float, chance: float) -> str:
    if "hair style" in said:
        return _textured(said["hair style"], said)
    man = femininity < 0.3
    if "hair length" in said:
        style = _LENGTHS[said["hair length"]][texture]
        return "pixie" if style == "short" and not man else style
    if "hair texture" in said:
        return draw("style of a texture", _SHOWN[texture][man])
    if man:
        if age > 0.5 and chance < 0.4 and said.get("headwear", "none") == "none":
            return "balding"
        return draw("style of a man", _MEN[texture])
    if age > 0.8 and chance < 0.7 and texture != "coily":
        return draw("style of an old woman", ("bun", "bob", "short curly", "pixie", "wavy bob"))
    return draw("style of a woman", _WOMEN[texture])


def _textured(style: str, said: dict[str, str]) -> str:
    """A bob that is asked to be curly."""
    return f"{said['hair texture']} bob" if style == "bob" and said.get("hair texture") in ("wavy", "curly") else style


def _hair_colour(said: dict[str, str], natural: str, age: float, chance: float) -> str:
    if "hair colour" in said:
        return said["hair colour"]
    if age > 0.8:
        return "white" if chance < 0.6 else "grey"
    return "grey" if age > 0.5 and chance < 1.8 * (age - 0.4) and natural in _DARK_DYES else natural


def _dress(said: dict[str, str], draw: Draw, femininity: float, chance: float) -> tuple[str, str, str]:
    if "tie colour" in said and said["tie colour"] != "none" and said.get("clothes") not in ("suit", None):
        said = {**said, "clothes": "suit"}
    clothes = said.get("clothes")
    if clothes is None:
        if femininity > 0.6:
            clothes = draw(
                "wardrobe of a woman", ("blouse", "sweater", "dress", "blazer", "turtleneck", "shirt", "t-shirt")
            )
        else:
            clothes = draw("wardrobe of a man", ("shirt", "sweater", "t-shirt", "hoodie", "suit", "shirt", "blazer"))
    bright = ("blue", "teal", "burgundy", "green", "mustard", "coral", "navy", "cream", "purple", "light blue", "white")
    sober = ("navy", "grey", "black", "navy", "brown", "beige")
    colour = draw("clothes colour", sober if clothes in ("suit", "blazer") else bright)
    tie = said.get("tie colour")
    if tie is None:
        tie = draw("tie", ("burgundy", "blue", "green", "mustard")) if femininity < 0.5 and chance < 0.6 else "none"
    return clothes, colour, tie

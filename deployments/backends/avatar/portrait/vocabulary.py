"""The words that a portrait prompt may use, and what they mean.

A phrase is one to three words in lower case. `DIRECT` phrases say a trait by themselves ("redhead", "smiling");
`NOUNS` name something that adjectives belong to ("hair", "shirt", "background"); `ADJECTIVES` wait for such a noun
("long", "pale") and so do the colours.
"""

from __future__ import annotations

from typing import Final

COLOURS: Final[dict[str, str]] = {
    **{
        name: name for name in ("black", "white", "grey", "navy", "blue", "teal", "turquoise", "green", "olive", "mint")
    },
    **{
        name: name for name in ("yellow", "mustard", "orange", "coral", "red", "burgundy", "pink", "purple", "lavender")
    },
    **{name: name for name in ("brown", "beige", "cream", "gold", "silver", "light blue")},
    "gray": "grey",
    "charcoal": "black",
    "dark grey": "grey",
    "dark gray": "grey",
    "light grey": "silver",
    "light gray": "silver",
    "sky blue": "light blue",
    "pale blue": "light blue",
    "baby blue": "light blue",
    "dark blue": "navy",
    "navy blue": "navy",
    "royal blue": "blue",
    "dark green": "green",
    "light green": "mint",
    "emerald": "green",
    "cyan": "turquoise",
    "aqua": "turquoise",
    "golden": "gold",
    "ivory": "cream",
    "tan": "beige",
    "khaki": "beige",
    "maroon": "burgundy",
    "wine": "burgundy",
    "crimson": "red",
    "scarlet": "red",
    "dark red": "burgundy",
    "peach": "coral",
    "salmon": "coral",
    "rose": "pink",
    "magenta": "pink",
    "violet": "purple",
    "lilac": "lavender",
    "light brown": "brown",
    "dark brown": "brown",
}
"""Colour words -> names of cloth colours. Hair, eyes and skin read some of them in their own way, below."""

HAIR_COLOURS: Final[dict[str, str]] = {
    **{name: name for name in ("black", "brown", "auburn", "red", "ginger", "blonde", "platinum", "grey", "white")},
    **{name: name for name in ("blue", "pink", "purple", "green", "dark brown", "light brown")},
    "blond": "blonde",
    "fair": "blonde",
    "golden": "blonde",
    "gold": "blonde",
    "yellow": "blonde",
    "sandy": "light brown",
    "dark": "dark brown",
    "brunette": "brown",
    "chestnut": "auburn",
    "copper": "ginger",
    "orange": "ginger",
    "gray": "grey",
    "silver": "grey",
    "salt and pepper": "grey",
    "raven": "black",
    "violet": "purple",
    "lavender": "purple",
    "turquoise": "blue",
    "teal": "blue",
    "light": "blonde",
    "light blonde": "platinum",
}
EYE_COLOURS: Final[dict[str, str]] = {
    **{name: name for name in ("brown", "dark brown", "hazel", "amber", "green", "blue", "grey")},
    "black": "dark brown",
    "dark": "dark brown",
    "gray": "grey",
    "light brown": "hazel",
    "light blue": "blue",
    "light": "blue",
    "emerald": "green",
    "golden": "amber",
    "honey": "amber",
}
SKINS: Final[dict[str, str]] = {
    **{name: name for name in ("porcelain", "fair", "light", "olive", "tan", "brown", "dark", "deep")},
    "pale": "porcelain",
    "ivory": "porcelain",
    "white": "fair",
    "rosy": "fair",
    "beige": "light",
    "medium": "olive",
    "tanned": "tan",
    "bronze": "tan",
    "golden": "tan",
    "caramel": "tan",
    "light brown": "tan",
    "dark brown": "dark",
    "black": "deep",
    "ebony": "deep",
}
TEXTURES: Final[dict[str, str]] = {
    "straight": "straight",
    "sleek": "straight",
    "smooth": "straight",
    "wavy": "wavy",
    "beachy": "wavy",
    "curly": "curly",
    "curled": "curly",
    "frizzy": "curly",
    "coily": "coily",
    "kinky": "coily",
}
LENGTHS: Final[dict[str, str]] = {
    "long": "long",
    "flowing": "long",
    "short": "short",
    "cropped": "short",
    "close cropped": "buzz cut",
    "medium": "medium",
    "medium length": "medium",
    "shoulder length": "medium",
    "chin length": "medium",
}

NOUNS: Final[dict[str, tuple[str, str]]] = {
    # phrase -> (what adjectives belong to, the value that the noun itself says or "")
    **dict.fromkeys(("hair", "haired", "hairstyle", "locks"), ("hair", "")),
    **dict.fromkeys(("eyes", "eye", "eyed"), ("eyes", "")),
    **dict.fromkeys(("skin", "skinned", "complexion", "skin tone"), ("skin", "")),
    **dict.fromkeys(("background", "backdrop", "backround", "wall"), ("background", "")),
    **dict.fromkeys(("light", "lighting", "lights"), ("lighting", "")),
    **dict.fromkeys(("lips", "lipstick"), ("lipstick", "")),
    **dict.fromkeys(("tie", "necktie"), ("tie", "")),
    **dict.fromkeys(("clothes", "clothing", "outfit"), ("clothes", "")),
    **dict.fromkeys(("shirt", "button down", "dress shirt", "collared shirt"), ("clothes", "shirt")),
    **dict.fromkeys(("t-shirt", "tshirt", "t shirt", "tee", "top", "tank top"), ("clothes", "t-shirt")),
    **dict.fromkeys(("sweater", "jumper", "pullover", "cardigan", "knitwear"), ("clothes", "sweater")),
    **dict.fromkeys(("turtleneck", "turtle neck", "polo neck", "roll neck", "rollneck"), ("clothes", "turtleneck")),
    **dict.fromkeys(("hoodie", "sweatshirt", "hooded sweatshirt"), ("clothes", "hoodie")),
    **dict.fromkeys(("suit", "tuxedo", "business suit"), ("clothes", "suit")),
    **dict.fromkeys(("blazer", "jacket", "coat"), ("clothes", "blazer")),
    **dict.fromkeys(("blouse",), ("clothes", "blouse")),
    **dict.fromkeys(("dress", "gown"), ("clothes", "dress")),
    **dict.fromkeys(("glasses", "eyeglasses", "spectacles", "specs", "eyewear"), ("glasses", "round")),
    **dict.fromkeys(("hijab", "headscarf", "head scarf"), ("headwear", "hijab")),
    **dict.fromkeys(("beanie", "knit cap", "woolly hat", "hat", "cap"), ("headwear", "beanie")),
    **dict.fromkeys(("beard", "full beard", "bearded"), ("beard", "full")),
    **dict.fromkeys(("moustache", "mustache"), ("beard", "moustache")),
    **dict.fromkeys(("stubble", "five o'clock shadow", "unshaven"), ("beard", "stubble")),
    **dict.fromkeys(("goatee",), ("beard", "goatee")),
    **dict.fromkeys(("earrings", "earring", "ear rings"), ("earrings", "studs")),
    **dict.fromkeys(("hoops", "hoop earrings"), ("earrings", "hoops")),
}

GLASSES: Final = {
    "round": "round",
    "square": "square",
    "rectangular": "square",
    "thick": "square",
    "horn rimmed": "square",
}
BEARDS: Final = {
    "short": "short",
    "trimmed": "short",
    "light": "stubble",
    "long": "full",
    "full": "full",
    "bushy": "full",
}
LIGHTINGS: Final = {
    "warm": "warm",
    "golden": "warm",
    "sunset": "warm",
    "candle": "warm",
    "cool": "cool",
    "cold": "cool",
    "blue": "cool",
    "dramatic": "dramatic",
    "moody": "dramatic",
    "cinematic": "dramatic",
    "rembrandt": "dramatic",
    "low key": "dramatic",
    "bright": "bright",
    "high key": "bright",
    "soft": "soft",
    "natural": "soft",
    "diffuse": "soft",
    "studio": "soft",
}

ADJECTIVES: Final[frozenset[str]] = frozenset(
    {*COLOURS, *HAIR_COLOURS, *EYE_COLOURS, *SKINS, *TEXTURES, *LENGTHS, *GLASSES, *BEARDS, *LIGHTINGS}
)

# Phrases are listed in one string each, between commas.
_HERITAGES: Final[dict[str, str]] = {
    "east asian": "asian, east asian, chinese, japanese, korean",
    "southeast asian": "southeast asian, filipino, filipina, thai, vietnamese, indonesian, malay",
    "south asian": "south asian, indian, pakistani, bangladeshi, sri lankan",
    "african": "african, african american, nigerian, kenyan, ethiopian, ghanaian, afro caribbean",
    "middle eastern": "middle eastern, arab, persian, iranian, turkish, egyptian, north african",
    "latin american": "latin american, latino, latina, hispanic, mexican, brazilian, colombian",
    "north european": "scandinavian, nordic, swedish, norwegian, irish, scottish, dutch, german",
    "european": "european, caucasian, british, french, english, polish, russian",
    "mediterranean": "mediterranean, italian, spanish, greek, portuguese",
}

_TRAITS: Final[dict[tuple[str, str], str]] = {
    ("gender", "woman"): (
        "woman, female, lady, girl, she, her, mother, grandmother, grandma, businesswoman, actress, queen, "
        "sister, daughter, wife, aunt, feminine, womans, girls"
    ),
    ("gender", "man"): (
        "man, male, gentleman, guy, boy, he, his, him, father, grandfather, grandpa, businessman, actor, "
        "king, brother, son, husband, uncle, masculine, dude"
    ),
    ("gender", "androgynous"): "androgynous, nonbinary, non-binary, non binary",
    ("age", "young"): "young, youthful, teen, teenager, teenage, student, girl, boy, twenties, child, kid, 20s",
    ("age", "adult"): "thirties, 30s, adult",
    ("age", "middle-aged"): "middle aged, middle-aged, mature, forties, fifties, 40s, 50s",
    ("age", "old"): (
        "old, elderly, aged, senior, grandmother, grandfather, grandma, grandpa, wrinkled, wrinkles, sixties, "
        "seventies, eighties, 60s, 70s, 80s, elder"
    ),
    ("expression", "smile"): "smile, smiling, smiles, happy, cheerful, joyful, friendly, grinning, laughing",
    ("expression", "serious"): "serious, stern, neutral, solemn, sad, stoic, unsmiling, strict",
    ("expression", "calm"): "calm, relaxed, gentle, peaceful, warm smile, kind",
    ("freckles", "yes"): "freckles, freckled, freckly",
    ("glasses", "round"): "bespectacled",
    ("beard", "none"): "clean shaven, clean-shaven, beardless, shaven, shaved face",
    ("hair style", "bald"): "bald, hairless, shaved head, bald headed",
    ("hair style", "balding"): "balding, receding, receding hairline, thinning",
    ("hair style", "bob"): "bob, bob cut, lob",
    ("hair style", "pixie"): "pixie, pixie cut",
    ("hair style", "buzz cut"): "buzz cut, buzzcut, crew cut, buzzed, shaved",
    ("hair style", "bun"): "bun, top knot, topknot, updo, chignon, man bun",
    ("hair style", "ponytail"): "ponytail, pony tail",
    ("hair style", "afro"): "afro",
    ("hair style", "swept back"): "slicked back, swept back, quiff, pompadour, combed back, brushed back",
    ("hair style", "short"): "side part, side parted, comb over",
    ("fringe", "yes"): "bangs, fringe",
    ("hair texture", "curly"): "curls, ringlets",
    ("hair texture", "wavy"): "waves",
    ("hair colour", "blonde"): "blonde, blond",
    ("hair colour", "brown"): "brunette",
    ("hair colour", "red"): "redhead, redheaded, red head",
    ("hair colour", "ginger"): "ginger",
    ("hair colour", "auburn"): "auburn",
    ("clothes", "suit"): "businessman, businesswoman, executive, banker, lawyer, formal, president",
    ("background", "office"): "office, workplace, corporate",
    ("background", "studio"): "studio, plain",
    ("background", "library"): "library, bookshelf, bookshelves, books, bookcase",
    ("background", "nature"): "nature, forest, park, garden, outdoors, outdoor, trees, jungle, meadow, leaves",
    ("background", "city"): "city, night, street, urban, city lights, bokeh, party",
    ("background", "sky"): "sky, beach, clouds, seaside, sea, mountains",
    ("background", "room"): "room, living room, home, indoors, house, kitchen, cafe, bedroom",
    ("lighting", "warm"): "golden hour, sunset, candlelight, sunlit, candlelit",
    ("lighting", "dramatic"): "dramatic, chiaroscuro, cinematic",
    ("lipstick", "red"): "makeup, make-up, make up",
}

DIRECT: Final[dict[str, tuple[tuple[str, str], ...]]] = {}
for _said, _phrases in (*_TRAITS.items(), *((("heritage", name), phrases) for name, phrases in _HERITAGES.items())):
    for _phrase in _phrases.split(", "):
        DIRECT[_phrase] = (*DIRECT.get(_phrase, ()), _said)

PEOPLE: Final = frozenset(
    phrase
    for phrase, said in DIRECT.items()
    if any(trait == "gender" for trait, _ in said) and phrase not in ("she", "her", "he", "his", "him")
) | {"person", "people", "human", "student", "teenager"}
"""Nouns whose colour is a person's: "a black woman"."""

NEGATIONS: Final = frozenset({"no", "without", "not", "never", "isn't", "lacking"})
BREAKS: Final = frozenset(
    {".", ";", ":", "with", "wearing", "in", "on", "against", "has", "having", "but", "who", "at", "by"}
)
"""Words after which adjectives no longer belong to what was before."""

"""Reads a portrait prompt: which traits it asks for. Words it does not know are passed over."""

from __future__ import annotations

import re

from deployments.backends.avatar.portrait import vocabulary as words
from deployments.backends.avatar.portrait.palette import CLOTHS

_TOKEN = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*|[.,;:]")
_YEARS = re.compile(r"\b(\d{1,3})[\s-]*(?:years?|yrs?|yo|y/o)\b")
_LONGEST = 3
_DENIED = {
    "glasses": "none",
    "beard": "none",
    "headwear": "none",
    "earrings": "none",
    "lipstick": "none",
    "freckles": "no",
    "fringe": "no",
    "hair style": "bald",
    "tie colour": "none",
}


def understood(prompt: str) -> dict[str, str]:
    """Trait -> value for everything that the prompt says in known words; {} for an empty prompt.

    An adjective belongs to the noun that follows it in its phrase ("red hair, blue shirt"), or else to the one
    before ("hair: red"). "no", "without" and "not" deny what follows up to the next comma. Where a prompt says two
    things of one trait the last one holds.
    """
    text = prompt.lower().replace("’", "'")
    reading = _Reading()
    years = _YEARS.search(text)
    if years:
        reading.say("age", years[1])
        text = text[: years.start()] + " person " + re.sub(r"^[\s-]*old\b", "", text[years.end() :])
    tokens = _TOKEN.findall(text)
    # Hyphens join an adjective to its noun ("blue-eyed", "long-haired") unless the whole is a phrase of its own.
    spread: list[str] = []
    for token in tokens:
        known = token in words.DIRECT or token in words.NOUNS or token in words.ADJECTIVES
        spread += [token] if known or "-" not in token else token.split("-")
    at = 0
    while at < len(spread):
        for size in range(min(_LONGEST, len(spread) - at), 0, -1):
            phrase = " ".join(spread[at : at + size])
            if reading.read(phrase):
                break
        else:
            size = 1
        at += size
    reading.end()
    return reading.traits


class _Reading:
    """What has been understood so far, and the adjectives still waiting for their noun."""

    def __init__(self) -> None:
        self.traits: dict[str, str] = {}
        self._waiting: list[str] = []
        self._noun = ""
        self._denied = False
        self._opened_by = ""

    def say(self, trait: str, value: str) -> None:
        self.traits[trait] = value

    def read(self, phrase: str) -> bool:
        """Takes a phrase in; False if it is not known as a whole."""
        if phrase in words.NEGATIONS:
            self._denied = True
        elif phrase in words.BREAKS:
            self._break(phrase)
        elif phrase in (",", "and"):
            if self._noun:
                self._break(",")
            elif phrase == ",":
                self._denied = False
        elif phrase in words.NOUNS:
            self._read_noun(*words.NOUNS[phrase])
        elif phrase in words.PEOPLE and (colour := self._take({"black", "white", "brown"})):
            self.say("skin", {"black": "dark", "white": "light", "brown": "brown"}[colour])
            self._read_direct(phrase)
        elif phrase in words.DIRECT:
            self._read_direct(phrase)
        elif phrase in words.ADJECTIVES:
            self._waiting.append(phrase)
        else:
            return False
        return True

    def end(self) -> None:
        self._break(".")

    def _take(self, among: set[str]) -> str | None:
        found = [word for word in self._waiting if word in among]
        self._waiting = [word for word in self._waiting if word not in among]
        return found[-1] if found else None

    def _break(self, word: str) -> None:
        """Ends a phrase: adjectives that are left belong to the noun before, or to what the phrase was opened by."""
        if self._waiting and self._noun:
            self._describe(self._noun)
        if word == ":" and self._noun:
            # "hair: black": what comes after the colon describes the noun before it.
            return
        for left in self._waiting:
            if left in words.COLOURS and self._opened_by in ("in", "wearing"):
                self.say("clothes colour", words.COLOURS[left])
            elif left in words.COLOURS and self._opened_by in ("on", "against"):
                self.say("background colour", words.COLOURS[left])
            elif left in words.TEXTURES and not self._denied and words.TEXTURES[left] != "straight":
                self.say("hair texture", words.TEXTURES[left])
        self._waiting, self._noun, self._denied = [], "", False
        self._opened_by = word

    def _read_direct(self, phrase: str) -> None:
        for trait, value in words.DIRECT.get(phrase, ()):
            if not self._denied:
                if not (phrase == "bokeh" and "background" in self.traits):
                    self.say(trait, value)
            elif trait == "expression":
                self.say(trait, "serious" if value == "smile" else "calm")
            elif trait == "hair style" and value in ("bald", "balding"):
                self.traits.pop("hair style", None)
            elif trait in _DENIED and trait != "hair style":
                self.say(trait, _DENIED[trait])
            # Adjectives of hair before a style: "a long red ponytail", "blonde bob".
            if trait in ("hair style", "hair texture", "fringe") and not self._denied:
                self._describe("hair")
                self._noun = "hair"

    def _read_noun(self, noun: str, value: str) -> None:
        trait = {"hair": "hair style", "tie": "tie colour"}.get(noun, noun)
        if self._denied:
            self._waiting = []
            if trait in _DENIED:
                self.say(trait, _DENIED[trait])
            return
        if value:
            self.say(noun, value)
        elif noun == "lipstick":
            self.say(noun, "red")
        elif noun == "tie":
            self.say("clothes", "suit")
            self.traits.setdefault("tie colour", "burgundy")
        elif noun == "background":
            self.traits.setdefault("background", "studio")
        self._describe(noun)
        self._noun = noun

    def _describe(self, noun: str) -> None:
        """Gives the waiting adjectives to `noun`; those that mean nothing there are dropped."""
        for word in self._waiting:
            colour = words.COLOURS.get(word)
            if noun == "hair":
                if word in words.HAIR_COLOURS:
                    self.say("hair colour", words.HAIR_COLOURS[word])
                if word in words.TEXTURES:
                    self.say("hair texture", words.TEXTURES[word])
                if word in words.LENGTHS:
                    self.say("hair length", words.LENGTHS[word])
            elif noun == "eyes" and word in words.EYE_COLOURS:
                self.say("eyes", words.EYE_COLOURS[word])
            elif noun == "skin" and word in words.SKINS:
                self.say("skin", words.SKINS[word])
            elif noun == "glasses" and word in words.GLASSES:
                self.say("glasses", words.GLASSES[word])
            elif noun == "beard":
                if word in words.BEARDS and self.traits.get("beard") == "full":
                    self.say("beard", words.BEARDS[word])
                if word in words.HAIR_COLOURS:
                    self.traits.setdefault("hair colour", words.HAIR_COLOURS[word])
            elif noun == "lighting" and word in words.LIGHTINGS:
                self.say("lighting", words.LIGHTINGS[word])
            elif noun == "lipstick" and colour:
                self.say("lipstick", colour)
            elif noun in ("clothes", "headwear", "background", "tie") and colour in CLOTHS:
                self.say(f"{noun} colour", colour)
        self._waiting = []

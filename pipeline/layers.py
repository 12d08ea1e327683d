"""Layers of settings: nested values, each with the place it was written at, and how one is laid on another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.settings import Key


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings."""

    values: Mapping[str, Any]
    places: Mapping[Key, str] = field(default_factory=dict)
    source: str = "arguments"
    """The place of keys that `places` does not know."""

    @staticmethod
    def of(written: Iterable[tuple[Key, Any, str]], source: str) -> Layer:
        """From single keys: key, value, place."""
        values: dict[str, Any] = {}
        places: dict[Key, str] = {}
        for key, value, place in written:
            places[key] = place
            for end in range(1, len(key)):
                places.setdefault(key[:end], place)
            for name in reversed(key):
                value = {name: value}
            values = merge(values, value)
        return Layer(values, places, source)

    def place(self, key: Key) -> str:
        while key:
            if key in self.places:
                return self.places[key]
            key = key[:-1]
        return self.source


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: mappings are merged, anything else replaces. An empty section (null) changes nothing."""
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[name] = merge(below, value)
        elif not (isinstance(below, Mapping) and value is None):
            merged[name] = value
    return merged


def leaves(values: Mapping[str, Any], above: Key = ()) -> list[tuple[Key, Any]]:
    """Every value that is not a section, with its key. An empty section counts as a value."""
    found: list[tuple[Key, Any]] = []
    for name, value in values.items():
        key = (*above, str(name))
        found += leaves(value, key) if isinstance(value, Mapping) and value else [(key, value)]
    return found

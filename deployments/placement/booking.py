"""Who holds what room on which card, starts that Ray has not reported yet included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from deployments.placement.census import NOWHERE, Census
from deployments.placement.room import Room


@dataclass(slots=True)
class Booking:
    room: Room
    predicted: dict[str, list[int]] = field(default_factory=dict)
    """Cards where replicas without a reported card are taken to be, by deployment, oldest first."""
    homeless: dict[str, list[int]] = field(default_factory=dict)
    """Starts under way that no card has room for, by deployment, as rows of the census: they wait at Ray for a card
    and hold nothing."""


def book(census: Census, expected: Mapping[str, tuple[str, ...]]) -> Booking:
    """Every replica on its card. One whose card Ray has not reported is where the last decision `expected` it, or
    where Ray would put it now: `census.home` says so afterwards."""
    room = Room(census.cards)
    room.hold(census.held, census.leaving)
    booking = Booking(room)
    left: list[int] = []
    unknown = np.flatnonzero(census.home == NOWHERE)
    for row in unknown[np.lexsort((census.since[unknown], census.deployment[unknown]))].tolist():
        standing = census.by_number[census.deployment[row]]
        if standing.name not in booking.predicted:
            arrived = census.home[standing.first : standing.first + standing.count].tolist()
            left = [census.index[card] for card in expected.get(standing.name, ()) if card in census.index]
            for card in arrived:
                if card in left:
                    left.remove(card)
            booking.predicted[standing.name] = []
        need = standing.footprint.need
        fits = np.flatnonzero(room.free >= need)
        if left and room.free[left[0]] >= need:
            home = left.pop(0)
        elif fits.size:
            home = int(fits[room.free[fits].argmin()])
        elif census.running[row] and census.cards:
            home = int(room.free.argmax())
        else:
            booking.homeless.setdefault(standing.name, []).append(row)
            continue
        census.home[row] = home
        booking.predicted[standing.name].append(home)
        room.take(home, need)
    return booking

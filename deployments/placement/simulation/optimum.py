"""The best that anybody could do who knew all requests beforehand, found by trying everything: for small cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from deployments.placement.simulation.requests import Request


def fewest_loads(requests: Sequence[str], need: Mapping[str, int], budget: int) -> int:
    """Loads that serving the deployments of `requests` one after the other on one card takes at least.

    Dynamic programming over what is resident after each request. Where sizes differ, throwing out what is needed
    last (Belady 1966) is not always best, so every set is tried.
    """
    best: dict[frozenset[str], int] = {frozenset(): 0}
    for name in requests:
        following: dict[frozenset[str], int] = {}
        for resident, loads in best.items():
            if name in resident:
                options = [(resident, loads)]
            else:
                # Evicting more than needed is never better, but which to keep is open: all that fit.
                options = [
                    (frozenset(kept) | {name}, loads + 1)
                    for count in range(len(resident) + 1)
                    for kept in combinations(sorted(resident), count)
                    if sum(need[other] for other in kept) + need[name] <= budget
                ]
            for now, cost in options:
                if cost < following.get(now, cost + 1):
                    following[now] = cost
        best = following
    return min(best.values())


def least_wait(requests: Sequence[Request], load: Mapping[str, float], stop_seconds: float) -> tuple[float, float]:
    """Least possible sum of waits, and least time until all is answered, for models of which a card holds one at a
    time and that work on one request at a time.

    Dynamic programming over how many requests of each model are answered and who is resident, keeping every pair of
    time and sum of waits that no other beats in both. A swap takes `stop_seconds`, except on an empty card, and the
    load.
    """
    queues: dict[str, list[Request]] = {}
    for request in sorted(requests, key=lambda request: request.arrival):
        queues.setdefault(request.deployment, []).append(request)
    names = sorted(queues)
    start = (tuple(0 for _ in names), -1)
    fronts: dict[tuple[tuple[int, ...], int], list[tuple[float, float]]] = {start: [(0.0, 0.0)]}
    for _ in range(len(requests)):
        following: dict[tuple[tuple[int, ...], int], list[tuple[float, float]]] = {}
        for (served, resident), front in fronts.items():
            for i, name in enumerate(names):
                if served[i] == len(queues[name]):
                    continue
                request = queues[name][served[i]]
                swap = 0.0 if i == resident else load[name] + (stop_seconds if resident >= 0 else 0.0)
                key = (tuple(count + (j == i) for j, count in enumerate(served)), i)
                for time, waits in front:
                    # Who knows what comes may load before it is asked for.
                    taken = max(time + swap, request.arrival)
                    following.setdefault(key, []).append((taken + request.seconds, waits + taken - request.arrival))
        fronts = {key: _undominated(points) for key, points in following.items()}
    ends = [point for front in fronts.values() for point in front]
    return min(waits for _, waits in ends), min(time for time, _ in ends)


def _undominated(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    front: list[tuple[float, float]] = []
    for time, waits in sorted(set(points)):
        if not front or waits < front[-1][1]:
            front.append((time, waits))
    return front

"""The board: what replicas, policy and coordinator tell each other about cards, in Ray's own key-value store.

It is the store that Serve keeps its own state in. No process of ours holds it, so it outlives each of them, and reading
a line takes under a millisecond.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

NAMESPACE: Final = b"mouthpiece.placement"

NODE_LETTERS: Final = 12
"""Of a node's id, which is a random number of 56 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a replica says of itself when it begins and once it is ready. Times are seconds since the epoch."""

    replica: str
    deployment: str
    node: str
    card: int
    """Number of the card on its node, as Ray counts."""
    card_name: str
    reserved: int
    """Bytes of the card that Ray has set aside for it."""
    pid: int
    began: float
    ready: float | None = None
    load_seconds: float = 0.0


def card_id(node: str, card: int) -> str:
    """The name of a card in the policy's facts and in everything that people read."""
    return f"{node[:NODE_LETTERS]}/{card}"


@dataclass(frozen=True, slots=True)
class Board:
    """The lines of one application."""

    app: str

    def report(self, report: Report) -> None:
        self._put(f"replica/{report.replica}", asdict(report))

    def reported(self, replica: str) -> Report | None:
        found = self._get(f"replica/{replica}")
        return None if found is None else Report(**found)

    def forget(self, replica: str) -> None:
        from ray.experimental import internal_kv

        internal_kv._internal_kv_del(self._key(f"replica/{replica}"), namespace=NAMESPACE)

    def replicas(self) -> list[str]:
        """Ids of all replicas that have reported and were not forgotten."""
        from ray.experimental import internal_kv

        prefix = self._key("replica/")
        found = internal_kv._internal_kv_list(prefix, namespace=NAMESPACE) or []
        return [key[len(prefix) :].decode() for key in found]

    def need(self, key: str, size: int) -> None:
        """A replica ran out of memory and would have needed so many bytes; the largest that was said stands."""
        if size > self.needs().get(key, 0):
            self._put("needs", {**self.needs(), key: size})

    def needs(self) -> dict[str, int]:
        """Bytes by footprint key, as corrected since the cluster was started."""
        return self._get("needs") or {}

    def wish(self, wishes: Mapping[str, Any]) -> None:
        self._put("wishes", dict(wishes))

    def wishes(self) -> dict[str, Any]:
        """See `deployments.placement.wishes`."""
        return self._get("wishes") or {}

    def show(self, view: Mapping[str, Any]) -> None:
        """The policy's view, for whoever asks how things stand."""
        self._put("view", view)

    def shown(self) -> dict[str, Any] | None:
        """None before the policy's first decision."""
        return self._get("view")

    def _key(self, name: str) -> bytes:
        return f"{self.app}/{name}".encode()

    def _put(self, name: str, value: Any) -> None:
        from ray.experimental import internal_kv

        internal_kv._internal_kv_put(self._key(name), json.dumps(value).encode(), namespace=NAMESPACE)

    def _get(self, name: str) -> Any:
        from ray.experimental import internal_kv

        found = internal_kv._internal_kv_get(self._key(name), namespace=NAMESPACE)
        return None if found is None else json.loads(found)

"""What a node is made from, while its job is planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.graph import Node


@dataclass(frozen=True, slots=True)
class Sources:
    """Something that a node is made from: nodes that make it, and what is given."""

    nodes: tuple[Node, ...]
    given: dict[str, str]
    inputs: dict[str, tuple[str, ...]]

    def sources(self) -> dict[str, Any]:
        return {"given": self.given, "inputs": self.inputs}

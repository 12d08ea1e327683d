"""What a job has to make, and from what: nodes in order, each with a key made of everything that it is made from.

Pure: nothing here reads, writes or waits. A node whose key is known was made before, by whichever job, and is not made
again; resumption, sharing and regeneration all follow from that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final, Self

from pydantic import Field, JsonValue, model_validator

from pipeline.contracts import StepKind
from pipeline.contracts.words import Contract

FORMAT: Final = 1
"""Part of every key: raised when what is hashed, or what an artifact of a kind looks like, changes."""


class Node(Contract):
    """One thing to make."""

    name: str
    kind: StepKind
    backend: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """Everything else that the result depends on."""
    given: dict[str, str] = Field(default_factory=dict)
    """Role -> digest of an artifact that was there before the job: an upload, a kept voice, a kept face."""
    inputs: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Role -> names of the nodes whose artifacts play it, in order."""

    def needs(self) -> set[str]:
        """Names of the nodes that it is made from."""
        return {name for names in self.inputs.values() for name in names}


class Graph(Contract):
    """Nodes in an order in which they can be made; the last one is what the job is for.

    A node that comes before something it needs, or twice, raises `ValueError`.
    """

    nodes: tuple[Node, ...]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        made: set[str] = set()
        for node in self.nodes:
            if node.name in made:
                raise ValueError(f"two nodes are called {node.name!r}")
            if missing := node.needs() - made:
                raise ValueError(f"{node.name!r} comes before {', '.join(sorted(missing))}")
            made.add(node.name)
        if not made:
            raise ValueError("a graph has at least one node")
        return self

    @property
    def target(self) -> Node:
        return self.nodes[-1]

    def given(self) -> set[str]:
        """Digests of every artifact that has to be there before."""
        return {digest for node in self.nodes for digest in node.given.values()}

    def after(self, name: str) -> set[str]:
        """Names of all nodes that are made from this one, at any distance."""
        reached: set[str] = set()
        for node in self.nodes:
            if node.needs() & (reached | {name}):
                reached.add(node.name)
        return reached


def content_key(node: Node, fingerprint: str, made: Mapping[str, str]) -> str:
    """SHA-256, 64 hex digits, over what decides the node's result: kind, backend and the model behind it
    (`fingerprint`), parameters, and the digests of what it is made from; not its name, nor the job.

    `made` has the digest of every node that it needs, by name.
    """
    return digest_of(
        FORMAT,
        node.kind,
        node.backend,
        fingerprint,
        node.parameters,
        node.given,
        {role: [made[name] for name in names] for role, names in node.inputs.items()},
    )


def digest_of(*values: object) -> str:
    """SHA-256 of plain values, whatever order their mappings were made in."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

"""Graphs and content keys."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from pipeline.graph import Graph, Node, content_key

A, B = "a" * 64, "b" * 64

SPEAK = Node(name="speak", kind="speak", backend="espeak", parameters={"text": "Hi.", "speed": 1.0}, given={"tint": A})
FILM = Node(name="film", kind="film", backend="meshwarp", inputs={"speech": ("speak",)})


def test_a_key_knows_everything_that_decides_the_result() -> None:
    key = content_key(SPEAK, "v1", {})
    assert len(key) == 64
    assert key == content_key(SPEAK.model_copy(update={"name": "speak.0007"}), "v1", {"other": B})
    others = [
        content_key(SPEAK, "v2", {}),
        content_key(SPEAK.model_copy(update={"kind": "draw"}), "v1", {}),
        content_key(SPEAK.model_copy(update={"backend": "flite"}), "v1", {}),
        content_key(SPEAK.model_copy(update={"parameters": {"text": "Hi!", "speed": 1.0}}), "v1", {}),
        content_key(SPEAK.model_copy(update={"given": {"tint": B}}), "v1", {}),
        content_key(SPEAK.model_copy(update={"given": {"clip": A}}), "v1", {}),
    ]
    assert len({key, *others}) == 7


def test_a_key_depends_on_what_its_inputs_made_and_on_their_order() -> None:
    one = content_key(FILM, "v", {"speak": A})
    assert one != content_key(FILM, "v", {"speak": B})
    two = FILM.model_copy(update={"inputs": {"speech": ("x", "y")}})
    assert content_key(two, "v", {"x": A, "y": B}) != content_key(two, "v", {"x": B, "y": A})
    with pytest.raises(KeyError):
        content_key(FILM, "v", {})


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans(), max_size=6), st.randoms()
)
def test_a_key_does_not_depend_on_the_order_of_parameters(parameters: dict[str, JsonValue], random: Random) -> None:
    shuffled = list(parameters.items())
    random.shuffle(shuffled)
    first = SPEAK.model_copy(update={"parameters": parameters})
    assert content_key(first, "v", {}) == content_key(SPEAK.model_copy(update={"parameters": dict(shuffled)}), "v", {})


def test_parameters_survive_being_stored() -> None:
    graph = Graph(nodes=(SPEAK, FILM))
    again = Graph.model_validate_json(graph.model_dump_json())
    assert again == graph
    assert _keys(again) == _keys(graph)
    assert (graph.target.name, graph.given()) == ("film", {A})
    assert (graph.after("speak"), graph.after("film")) == ({"film"}, set())


def _keys(graph: Graph) -> list[str]:
    return [content_key(node, "v", {"speak": A}) for node in graph.nodes]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [((), "at least one"), ((FILM, SPEAK), "comes before"), ((SPEAK, SPEAK), "two nodes"), ((FILM,), "comes before")],
)
def test_a_graph_that_can_not_be_made_is_refused(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Graph(nodes=nodes)

"""What is said in a video, and when: by which nodes its words are found, and whether a transcript can be believed."""

from __future__ import annotations

from typing import Final

from pipeline.contracts import Transcript, VideoRequest
from pipeline.errors import Conflict, InvalidRequest, InvalidText
from pipeline.graph import Graph, Node
from pipeline.models import Models
from pipeline.steps.transcribe import hearing

LIKELY: Final = 0.15
"""Confidence from which on a transcript is taken for what is said."""


def likely(found: Transcript) -> None:
    """Raises `InvalidText`, field transcript, where the words were found in the recording no better than by chance."""
    if found.confidence < LIKELY:
        raise InvalidText(
            f"That is not what is said in the recording (confidence {found.confidence:.2f}).",
            code="text_mismatch",
            field="transcript",
            accepted="what is said in the recording, word for word, or no transcript",
        )


def recognised(models: Models, request: VideoRequest, audio: str) -> tuple[Node, ...]:
    """What finds the words of a recording that nobody wrote down, where a backend is named for it: in the language
    that the request names, or else in whichever is heard. Where nobody is heard to speak the video is made all the
    same. Raises `InvalidRequest`, code text_needed, for a backend that can't tell what is said."""
    name = request.backends.transcribe
    if name is None:
        return ()
    backend = models.choose("transcribe", name)
    if not models.recognises(backend):
        raise InvalidRequest(
            f"The backend {backend} finds a text that is known in a recording; it can't tell what is said.",
            code="text_needed",
            field="transcript",
            accepted="what is said, or a transcribe backend that recognises speech",
        )
    named = {"language": request.language.lower()} if "language" in request.model_fields_set else {}
    wording = {"needed": False, **named}
    return (Node(name="transcribe", kind="transcribe", backend=backend, parameters=wording, given={"audio": audio}),)


def captions(models: Models, graph: Graph) -> Graph:
    """What a finished video's words are found by: its own graph with a node after it, or the one that finds them
    already. Raises `Conflict` with code no_speech for a film in which nobody speaks."""
    film = next((node for node in graph.nodes if node.kind in ("film", "dub")), None)
    if film is None:
        raise Conflict("Nobody speaks in this film.", code="no_speech", accepted="a talking video")
    name = next(iter(film.inputs.get("transcript", ())), None)
    if name is not None:
        place = next(place for place, node in enumerate(graph.nodes) if node.name == name)
        return Graph(nodes=graph.nodes[: place + 1])
    language = film.parameters.get("language")
    if "audio" in film.given:
        backend = hearing(models, None, None)
        node = Node(name="subtitles", kind="transcribe", backend=backend, given={"audio": film.given["audio"]})
    else:
        spoken = [node for node in graph.nodes if node.name in film.inputs["speech"]]
        wording = {"sentences": [node.parameters["text"] for node in spoken], "language": language}
        inputs = {"speech": film.inputs["speech"]}
        backend = models.choose("transcribe", None)
        node = Node(name="subtitles", kind="transcribe", backend=backend, parameters=wording, inputs=inputs)
    return Graph(nodes=(*graph.nodes, node))

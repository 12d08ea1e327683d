"""Who is seen and heard in a live session: a portrait that can be drawn, and a voice that says a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from fractions import Fraction
from typing import Final

from pipeline.contracts import AnimationRequest, CodedStretch, Encoding, Speech, StretchRequest
from pipeline.errors import BackendFailed
from pipeline.graph import Graph
from pipeline.jobs.builder import Builder
from pipeline.jobs.listening import spoken
from pipeline.jobs.run import remade
from pipeline.jobs.turns import Rank
from pipeline.nodes.bench import Bench
from pipeline.nodes.film import Shot
from pipeline.storage.parcels import unpack_portrait

PRESET: Final = "superfast"
"""x264's, whatever `video.preset` is: what is made at the pace of time is not kept, and four fifths of the work for an
eighth more bytes leaves room for another session."""


class LiveFace:
    """Of the plan of a video in which the face says something, whatever that is: its `film` says how it is drawn, its
    first sentence how one is spoken. Both are made, and kept, as those of jobs are."""

    def __init__(self, graph: Graph, bench: Bench, builder: Builder, rank: Rank) -> None:
        self._graph = graph
        self._film = graph.target
        self._sentence = next(node for node in graph.nodes if node.kind == "speak")
        self._shot = Shot.model_validate(self._film.parameters)
        self._bench = bench
        self._builder = builder
        self._rank = rank
        self.settings = bench.settings
        self.backend = self._film.backend
        self.size = self._shot.size
        self.fps = Fraction(self._shot.fps)
        self.language = self._shot.language
        self.encoding = Encoding("mp4", PRESET, self._shot.crf, even=True)

    async def portrait(self) -> AnimationRequest:
        """The portrait, silent. Raises as the nodes do that it is made by."""
        digest = self._film.given.get("portrait")
        if digest is None:
            (name,) = self._film.inputs["portrait"]
            digest = (await remade(self._graph, self._builder, name, self._rank)).artifact
        found = unpack_portrait(await asyncio.to_thread(self._bench.artifacts.read, digest))
        return self._shot.silent(found, digest)

    def spoken(self, text: str) -> AsyncGenerator[Speech]:
        """One sentence, with the pause after it, in parts as the voice makes them; of no length where it finds nothing
        to say. Raises as `listening.spoken`."""
        sentence = self._sentence
        node = sentence.model_copy(update={"parameters": {**sentence.parameters, "text": text}})
        graph = Graph(nodes=tuple(node if each is sentence else each for each in self._graph.nodes))
        return spoken(graph, self._builder, self._bench.artifacts, node.name, self._rank)

    async def stretch(self, request: StretchRequest) -> CodedStretch:
        """Raises what the lip-sync backend raises, and `BackendFailed` where it made fewer frames."""
        made = await self._bench.models.stretch(self.backend, request, self.encoding)
        if len(made.packets) != request.frame_count:
            raise BackendFailed(
                f"{self.backend} made {len(made.packets)} frames of {request.frame_count}.", code="frames_missing"
            )
        return made

"""From a request to the graph of what has to be made; whatever can be refused about the request is refused here."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any, Final, Protocol, get_args

from pipeline.contracts import Capability, VideoRequest
from pipeline.errors import InvalidRequest
from pipeline.graph import Graph, Node
from pipeline.models import Models
from pipeline.nodes.film import recording
from pipeline.settings import Settings
from pipeline.steps.speak import Speaker, Spoken
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.parcels import Portrait, pack_portrait, pack_tint
from pipeline.text import normalise, sentences

DRAWN: Final = 512
"""Pixels a side of a drawn portrait, at least: never smaller than a face that can be found and followed."""

UPLOADS: Final = ("audio", "voice_clip", "portrait")
"""Fields of a request that hold bytes."""


class Make(Protocol):
    """Makes a node that needs no other, and gives the digest of what it made."""

    async def __call__(self, node: Node) -> str: ...


class Planner:
    """Plans videos with the models and stores that it is given.

    What has to be known before a request can be accepted (is there a face, can the clip be used) is made at once, by
    `make`, and found again by its key when the job runs.
    """

    def __init__(
        self,
        models: Models,
        settings: Settings,
        speaker: Speaker,
        avatars: AvatarStore,
        artifacts: Artifacts,
        make: Make,
    ) -> None:
        self._models = models
        self._settings = settings
        self._speaker = speaker
        self._avatars = avatars
        self._artifacts = artifacts
        self._make = make

    async def plan(self, request: VideoRequest) -> Graph:
        """Raises `UserError` for what can't be made. Voices and faces that are kept are taken as they are now: what
        becomes of them later is nothing to this job."""
        _one_of(request, "text", "audio", required=True)
        _one_of(request, "portrait", "avatar", "prompt", required=False)
        # Those that the request does not need as well: a name that nobody knows is a mistake wherever it stands.
        for capability in get_args(Capability):
            self._models.choose(capability, getattr(request.backends, capability))
        nodes, given, inputs = [], {}, {}
        if request.text is not None:
            spoken = await self._speech(request)
            nodes += spoken
            inputs["speech"] = tuple(node.name for node in spoken if node.kind == "speak")
        else:
            given["audio"] = await self._recording(request)
        if request.avatar is not None:
            given["portrait"] = await self._kept(request.avatar)
        else:
            nodes += await self._portrait(request)
            inputs["portrait"] = (nodes[-1].name,)
        video = self._settings.video
        shot = {
            "size": request.size or video.size,
            "fps": str(frame_rate(request.fps or video.fps)),
            "seed": request.seed,
            "head_motion": request.head_motion,
            "blink": request.blink,
            "format": request.format,
            "preset": video.preset,
            "crf": video.crf,
            "language": request.language,
        }
        lipsync = self._models.choose("lipsync", request.backends.lipsync)
        film = Node(name="film", kind="film", backend=lipsync, parameters=shot, given=given, inputs=inputs)
        return Graph(nodes=(*nodes, film))

    async def _speech(self, request: VideoRequest) -> list[Node]:
        text = normalise(request.text or "", limit=self._settings.limits.text_characters)
        nodes: list[Node] = []
        given: dict[str, str] = {}
        inputs: dict[str, tuple[str, ...]] = {}
        spoken = await self._spoken(request)
        if request.voice_clip is not None:
            clip = await self._put(request.voice_clip)
            measure = Node(name="measure", kind="measure", backend=spoken.backend, given={"clip": clip})
            await self._make(measure)
            nodes.append(measure)
            inputs["tint"] = ("measure",)
        elif spoken.tint is not None:
            given["tint"] = await self._put(pack_tint(spoken.tint))
        manner: dict[str, Any] = {
            "language": request.language.lower(),
            "voice": spoken.voice,
            "speed": request.speed,
            "pitch": request.pitch,
        }
        for number, sentence in enumerate(sentences(text, request.language), start=1):
            parameters = {"text": sentence, **manner}
            name = f"speak.{number:04}"
            nodes.append(
                Node(name=name, kind="speak", backend=spoken.backend, parameters=parameters, given=given, inputs=inputs)
            )
        return nodes

    async def _spoken(self, request: VideoRequest) -> Spoken:
        if request.voice is not None and request.voice_clip is not None:
            raise InvalidRequest(
                "A voice and a voice clip are two voices.", field="voice_clip", accepted="voice or voice_clip, not both"
            )
        return await self._speaker.resolve(
            backend=request.backends.voice, voice=request.voice, clip=None, language=request.language
        )

    async def _recording(self, request: VideoRequest) -> str:
        if request.voice is not None or request.voice_clip is not None:
            raise InvalidRequest(
                "A recording is lip-synced as it is; a voice speaks a text.",
                field="voice_clip" if request.voice is None else "voice",
                accepted="text with a voice, or audio alone",
            )
        data = request.audio or b""
        await asyncio.to_thread(recording, data, self._settings.limits.audio_seconds, request.language)
        return await self._put(data)

    async def _portrait(self, request: VideoRequest) -> list[Node]:
        face = self._models.choose("face", request.backends.face)
        if request.portrait is not None:
            photo = await self._put(request.portrait)
            locate = Node(name="locate", kind="locate", backend=face, given={"photo": photo})
            await self._make(locate)
            return [locate]
        size = max(DRAWN, request.size or self._settings.video.size)
        drawn = {"prompt": request.prompt or "", "size": size, "seed": request.seed}
        avatar = self._models.choose("avatar", request.backends.avatar)
        return [
            Node(name="draw", kind="draw", backend=avatar, parameters=drawn),
            Node(name="locate", kind="locate", backend=face, inputs={"picture": ("draw",)}),
        ]

    async def _kept(self, name: str) -> str:
        def packed() -> bytes:
            identity = self._avatars.get(name).id
            return pack_portrait(Portrait(self._avatars.picture(identity), self._avatars.face(identity)))

        return await self._put(await asyncio.to_thread(packed))

    async def _put(self, data: bytes) -> str:
        return (await asyncio.to_thread(self._artifacts.put, data)).digest


def frame_rate(rate: float) -> Fraction:
    """The exact rate that a decimal one means: 29.97 is 30000/1001, 25 is 25."""
    for whole in (24, 30, 48, 60):
        if abs(rate - whole * 1000 / 1001) < 0.005:
            return Fraction(whole * 1000, 1001)
    return Fraction(rate).limit_denominator(1001)


def _one_of(request: VideoRequest, *fields: str, required: bool) -> None:
    given = [field for field in fields if getattr(request, field) is not None]
    listed = " or ".join(fields)
    if len(given) > 1:
        raise InvalidRequest(
            f"{' and '.join(given)} are given at once.", code="two_sources", field=given[1], accepted=f"one of {listed}"
        )
    if required and not given:
        raise InvalidRequest(
            f"There is no {listed}.", code="missing_field", field=fields[0], accepted=f"one of {listed}"
        )

"""From a request to the graph of what has to be made; whatever can be refused about the request is refused here."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any, Final, Protocol, get_args

from pipeline.contracts import Backends, Camera, Capability, ClipRequest, VideoFormat, VideoRequest
from pipeline.errors import InvalidRequest, TooLarge, renamed
from pipeline.graph import Graph, Node
from pipeline.media.footage import FootageFacts, footage_facts
from pipeline.media.image import decode_picture
from pipeline.models import Models
from pipeline.nodes.captions import captions, likely, recognised
from pipeline.nodes.draw import FIELDS as DRAWING_FIELDS
from pipeline.nodes.rules import dubbing, fitting, nothing_drawn, one_of, within
from pipeline.nodes.shapes import frame_rate, frame_size, seen
from pipeline.nodes.sources import Sources
from pipeline.nodes.speech import recording
from pipeline.settings import Settings
from pipeline.steps.draw import check as check_drawing
from pipeline.steps.speak import Speaker, Spoken
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.parcels import (
    Portrait,
    pack_conditioning,
    pack_picture,
    pack_portrait,
    pack_tint,
    unpack_transcript,
)
from pipeline.text import normalise, sentences

INTERMEDIATE: Final = 14
"""x264's quality of a film that is decoded again in the same job, at least: its loss is not seen beside that of the
film that is made of it."""

DRAWN: Final = 512
"""Pixels a side of a drawn portrait, at least: never smaller than a face that can be found and followed."""

LARGEST: Final = 1536
"""Pixels a side that can be drawn."""

UPLOADS: Final = ("audio", "voice_clip", "portrait", "picture", "video")
"""Fields of requests that hold bytes."""


class Make(Protocol):
    """Makes a node that needs no other, and gives the digest of what it made."""

    async def __call__(self, node: Node) -> str: ...


class Planner:
    """Plans videos and clips with the models and stores that it is given.

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
        one_of(request, "text", "audio", required=True)
        one_of(request, "portrait", "avatar", "prompt", "video", required=False)
        nothing_drawn(request, "portrait", "avatar", "video")
        self._known(request.backends)
        fitting(request)
        speech = await self._said(request)
        if request.video is not None:
            made = await self._dubbed(request, request.video, speech)
        elif request.camera is not None:
            made = await self._scene(request, request.camera, speech)
        else:
            made = await self._talking(request, speech)
        return Graph(nodes=(*speech.nodes, *made, *self._enlarged(made[-1], request)))

    async def _said(self, request: VideoRequest) -> Sources:
        if request.text is not None:
            if request.transcript is not None:
                raise InvalidRequest(
                    "A transcript says what is said in a recording; a text is what to say.",
                    field="transcript",
                    accepted="transcript with audio, or text alone",
                )
            nodes = await self._speech(request)
            return Sources(tuple(nodes), {}, {"speech": tuple(node.name for node in nodes if node.kind == "speak")})
        audio = await self._recording(request)
        if request.transcript is None:
            nodes = recognised(self._models, request, audio)
            return Sources(nodes, {"audio": audio}, {"transcript": ("transcribe",)} if nodes else {})
        found = await self._transcript(request, request.transcript, audio)
        return Sources((found,), {"audio": audio}, {"transcript": (found.name,)})

    async def _talking(self, request: VideoRequest, speech: Sources) -> list[Node]:
        """A portrait that talks."""
        nodes, given, inputs = [], dict(speech.given), dict(speech.inputs)
        if request.avatar is not None:
            given["portrait"] = await self._kept(request.avatar)
        else:
            nodes = await self._portrait(request)
            inputs["portrait"] = (nodes[-1].name,)
        video = self._settings.video
        size = request.size or video.size
        shot = {
            "size": size,
            "fps": str(frame_rate(request.fps or video.fps)),
            "seed": request.seed,
            "head_motion": request.head_motion,
            "blink": request.blink,
            "language": request.language,
            **self._encoding(request.format),
        }
        within(size, size, request.upscale)
        lipsync = self._models.choose("lipsync", request.backends.lipsync)
        return [*nodes, Node(name="film", kind="film", backend=lipsync, parameters=shot, given=given, inputs=inputs)]

    async def _dubbed(self, request: VideoRequest, video: bytes, speech: Sources) -> list[Node]:
        """A film of the client's own whose face talks."""
        stored = await self._put(video)
        facts = await self._facts(stored)
        within(facts.width, facts.height, request.upscale)
        fps = facts.fps if request.fps is None else frame_rate(request.fps)
        return self._dub(request, speech, Sources((), {"video": stored}, {}), fps)

    def _dub(self, request: VideoRequest, speech: Sources, film: Sources, fps: Fraction) -> list[Node]:
        """The face of a film is found in every frame, and made to talk."""
        face = self._models.choose("face", request.backends.face)
        track = Node(name="track", kind="track", backend=face, parameters={"fps": str(fps)}, **film.sources())
        how = {
            "fps": str(fps),
            "extend": request.extend,
            "language": request.language,
            **self._encoding(request.format),
        }
        given = {**speech.given, **film.given}
        inputs = {**speech.inputs, **film.inputs, "track": ("track",)}
        backend = dubbing(self._models, request.backends.lipsync)
        return [track, Node(name="dub", kind="dub", backend=backend, parameters=how, given=given, inputs=inputs)]

    async def _scene(self, request: VideoRequest, camera: Camera, speech: Sources) -> list[Node]:
        """A film is made of the picture, as long as the speech, and the face in that film talks."""
        dubbing(self._models, request.backends.lipsync)
        nodes, source = [], Sources((), {}, {})
        shape, focus = (1, 1), (0.5, 0.5)
        if request.avatar is not None:
            portrait = await asyncio.to_thread(self._portrait_of, request.avatar)
            shape, focus = seen(portrait.picture, portrait.face)
            source = Sources((), {"picture": await self._put(pack_picture(portrait.picture))}, {})
        elif request.portrait is not None:
            limit = self._settings.limits.image_pixels
            picture = await asyncio.to_thread(decode_picture, request.portrait, field="portrait", max_pixels=limit)
            face = await self._models.locate(self._models.choose("face", request.backends.face), picture)
            shape, focus = seen(picture, face)
            source = Sources((), {"photo": await self._put(request.portrait)}, {})
        else:
            looking = self._models.choose("face", request.backends.face)
            nodes = [self._drawn(request, self._side(request.size), looking)]
            source = Sources((), {}, {"picture": ("draw",)})
        video = self._settings.video
        width, height = frame_size(shape, None, None, request.size or video.size)
        within(width, height, request.upscale)
        fps = frame_rate(request.fps or video.fps)
        movement = {
            "fps": str(fps),
            "width": width,
            "height": height,
            "camera": camera,
            "strength": request.strength,
            "focus": list(focus),
            "seed": request.seed,
            "language": request.language,
            **self._encoding("mp4"),
            "crf": min(video.crf, INTERMEDIATE),
        }
        motion = self._models.choose("motion", request.backends.motion)
        both = {"given": {**speech.given, **source.given}, "inputs": {**speech.inputs, **source.inputs}}
        move = Node(name="move", kind="move", backend=motion, parameters=movement, **both)
        return [*nodes, move, *self._dub(request, speech, Sources((), {}, {"video": ("move",)}), fps)]

    def _encoding(self, format: VideoFormat) -> dict[str, Any]:
        video = self._settings.video
        return {"format": format, "preset": video.preset, "crf": video.crf}

    def subtitles(self, graph: Graph) -> Graph:
        """As `captions`."""
        return captions(self._models, graph)

    async def clip(self, request: ClipRequest) -> Graph:
        """Raises `UserError` for what can't be made."""
        one_of(request, "picture", "prompt", "video", required=True)
        nothing_drawn(request, "picture", "video")
        self._known(request.backends)
        if request.video is not None:
            return await self._footage(request, request.video)
        limit = self._settings.limits.video_seconds
        if request.seconds > limit:
            raise TooLarge(
                f"{request.seconds:g} s are asked for.",
                code="video_too_long",
                field="seconds",
                accepted=f"at most {limit:g} s",
            )
        nodes, given, inputs = [], {}, {}
        if request.picture is not None:
            shape = await asyncio.to_thread(self._shape, request.picture)
            given["photo"] = await self._put(request.picture)
        else:
            shape = (1, 1)
            size = max(DRAWN, min(LARGEST, request.width or 0, request.height or 0))
            nodes.append(self._drawn(request, size))  # of anything: it need have no face
            inputs["picture"] = ("draw",)
        video = self._settings.video
        width, height = frame_size(shape, request.width, request.height, video.size)
        fps = frame_rate(request.fps or video.fps)
        movement = {
            "frames": max(1, round(request.seconds * fps)),
            "fps": str(fps),
            "width": width,
            "height": height,
            "camera": request.camera,
            "strength": request.strength,
            "seed": request.seed,
            **self._encoding(request.format),
        }
        motion = self._models.choose("motion", request.backends.motion)
        move = Node(name="move", kind="move", backend=motion, parameters=movement, given=given, inputs=inputs)
        within(width, height, request.upscale)
        return Graph(nodes=(*nodes, move, *self._enlarged(move, request)))

    async def _footage(self, request: ClipRequest, video: bytes) -> Graph:
        """A film that is there already. It keeps its length and its rate: what would change these is refused."""
        if request.upscale is None:
            raise InvalidRequest(
                "There is nothing to do with the film.", code="missing_field", field="upscale", accepted="1 to 4"
            )
        others = {"seconds", "camera", "strength", "width", "height", "fps", "seed"} & request.model_fields_set
        if others:
            raise InvalidRequest(
                "A film that is there already is enlarged, and nothing else.",
                field=sorted(others)[0],
                accepted="video with upscale, format and backends",
            )
        stored = await self._put(video)
        facts = await self._facts(stored)
        within(facts.width, facts.height, request.upscale)
        return Graph(nodes=(self._enlargement(request, given={"video": stored}),))

    async def _facts(self, film: str) -> FootageFacts:
        """Of a film in the store. Raises what `footage_facts` raises, field `video`."""
        limits = self._settings.limits

        def look() -> FootageFacts:
            with self._artifacts.local(film) as path:
                return footage_facts(path, max_pixels=limits.image_pixels, max_seconds=limits.video_seconds)

        return await asyncio.to_thread(look)

    def _enlarged(self, made: Node, request: VideoRequest | ClipRequest) -> tuple[Node, ...]:
        """What enlarges the film that a node makes, where that is asked for."""
        if request.upscale is None:
            return ()
        return (self._enlargement(request, inputs={"video": (made.name,)}),)

    def _enlargement(self, request: VideoRequest | ClipRequest, **sources: Any) -> Node:
        if request.format == "gif":
            raise InvalidRequest("A gif is not enlarged.", field="upscale", accepted="mp4 or webm, or no upscale")
        how = {"factor": request.upscale, **self._encoding(request.format)}
        backend = self._models.choose("upscale", request.backends.upscale)
        return Node(name="enlarge", kind="enlarge", backend=backend, parameters=how, **sources)

    def _known(self, backends: Backends) -> None:
        # Those that the request does not need as well: a name that nobody knows is a mistake wherever it stands.
        for capability in get_args(Capability):
            self._models.choose(capability, getattr(backends, capability))

    def _shape(self, picture: bytes) -> tuple[int, int]:
        """Width and height. Raises `InvalidImage`, field `picture`."""
        decoded = decode_picture(picture, field="picture", max_pixels=self._settings.limits.image_pixels)
        return decoded.shape[1], decoded.shape[0]

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
            inputs["conditioning" if self._models.clones(spoken.backend) else "tint"] = ("measure",)
        elif spoken.tint is not None:
            given["tint"] = await self._put(pack_tint(spoken.tint))
        elif spoken.conditioning is not None:
            given["conditioning"] = await self._put(pack_conditioning(spoken.conditioning))
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

    async def _transcript(self, request: VideoRequest, text: str, audio: str) -> Node:
        """Made at once: whether the text is what is said decides whether the request is accepted."""
        wording = {
            "text": normalise(text, limit=self._settings.limits.text_characters),
            "language": request.language.lower(),
        }
        backend = self._models.choose("transcribe", request.backends.transcribe)
        node = Node(name="transcribe", kind="transcribe", backend=backend, parameters=wording, given={"audio": audio})
        with renamed(text="transcript"):
            digest = await self._make(node)
        found = unpack_transcript(await asyncio.to_thread(self._artifacts.read, digest))
        likely(found)
        return node

    async def _portrait(self, request: VideoRequest) -> list[Node]:
        face = self._models.choose("face", request.backends.face)
        if request.portrait is not None:
            photo = await self._put(request.portrait)
            locate = Node(name="locate", kind="locate", backend=face, given={"photo": photo})
            await self._make(locate)
            return [locate]
        return [
            self._drawn(request, self._side(request.size), face),
            Node(name="locate", kind="locate", backend=face, inputs={"picture": ("draw",)}),
        ]

    def _side(self, size: int | None) -> int:
        return max(DRAWN, size or self._settings.video.size)

    def _drawn(self, request: VideoRequest | ClipRequest, size: int, face: str | None = None) -> Node:
        """A portrait that `face` can use, or, without it, any picture."""
        backend = self._models.choose("avatar", request.backends.avatar)
        asked = request.drawing.model_dump(exclude_none=True)
        with renamed(**DRAWING_FIELDS):
            check_drawing(self._models, backend, tuple(asked))
        drawn = {"prompt": request.prompt or "", "size": size, "seed": request.seed, **asked}
        if face is not None and self._models.redrawn(backend):
            # Which picture is taken depends on who looks at it, and on how many there may be.
            version = self._models.fingerprint("face", face)
            drawn |= {"face": face, "face_version": version, "attempts": self._settings.avatar.attempts}
        return Node(name="draw", kind="draw", backend=backend, parameters=drawn)

    async def _kept(self, name: str) -> str:
        return await self._put(pack_portrait(await asyncio.to_thread(self._portrait_of, name)))

    def _portrait_of(self, avatar: str) -> Portrait:
        identity = self._avatars.get(avatar).id
        return Portrait(self._avatars.picture(identity), self._avatars.face(identity))

    async def _put(self, data: bytes) -> str:
        return (await asyncio.to_thread(self._artifacts.put, data)).digest

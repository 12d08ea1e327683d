"""From a request to the graph of what has to be made; whatever can be refused about the request is refused here."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any, Final, Protocol, get_args

from pipeline.contracts import Backends, Capability, ClipRequest, VideoRequest
from pipeline.errors import Conflict, InvalidRequest, InvalidText, TooLarge, renamed
from pipeline.graph import Graph, Node
from pipeline.media.footage import FootageFacts, footage_facts
from pipeline.media.image import decode_picture
from pipeline.models import Models
from pipeline.nodes.draw import FIELDS as DRAWING_FIELDS
from pipeline.nodes.film import recording
from pipeline.settings import Settings
from pipeline.steps.draw import check as check_drawing
from pipeline.steps.speak import Speaker, Spoken
from pipeline.steps.transcribe import hearing
from pipeline.storage.artifacts import Artifacts
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.parcels import Portrait, pack_conditioning, pack_portrait, pack_tint, unpack_transcript
from pipeline.text import normalise, sentences

DRAWN: Final = 512
"""Pixels a side of a drawn portrait, at least: never smaller than a face that can be found and followed."""

LARGEST: Final = 1536
"""Pixels a side that can be drawn."""

SHORTEST: Final = 128
"""Pixels of a side of a clip, at least."""
LONGEST: Final = 3840
"""The same at most."""

LIKELY: Final = 0.15
"""Confidence from which on a transcript is taken for what is said."""

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
        _one_of(request, "text", "audio", required=True)
        _one_of(request, "portrait", "avatar", "prompt", required=False)
        _nothing_drawn(request, "portrait", "avatar")
        self._known(request.backends)
        nodes, given, inputs = [], {}, {}
        if request.text is not None:
            if request.transcript is not None:
                raise InvalidRequest(
                    "A transcript says what is said in a recording; a text is what to say.",
                    field="transcript",
                    accepted="transcript with audio, or text alone",
                )
            spoken = await self._speech(request)
            nodes += spoken
            inputs["speech"] = tuple(node.name for node in spoken if node.kind == "speak")
        else:
            given["audio"] = await self._recording(request)
            if request.transcript is not None:
                nodes.append(await self._transcript(request, request.transcript, given["audio"]))
                inputs["transcript"] = (nodes[-1].name,)
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
        self._within(shot["size"], shot["size"], request.upscale)
        lipsync = self._models.choose("lipsync", request.backends.lipsync)
        film = Node(name="film", kind="film", backend=lipsync, parameters=shot, given=given, inputs=inputs)
        return Graph(nodes=(*nodes, film, *self._enlarged(film, request)))

    def subtitles(self, graph: Graph) -> Graph:
        """What a finished video's words are found by: its own graph with a node after it, or the one that finds them
        already. Raises `Conflict` with code no_speech for a film in which nobody speaks."""
        film = next((node for node in graph.nodes if node.kind == "film"), None)
        if film is None:
            raise Conflict("Nobody speaks in this film.", code="no_speech", accepted="a talking video")
        name = next(iter(film.inputs.get("transcript", ())), None)
        if name is not None:
            place = next(place for place, node in enumerate(graph.nodes) if node.name == name)
            return Graph(nodes=graph.nodes[: place + 1])
        language = film.parameters.get("language")
        if "audio" in film.given:
            backend = hearing(self._models, None, None)
            given = {"audio": film.given["audio"]}
            node = Node(name="subtitles", kind="transcribe", backend=backend, given=given)
        else:
            spoken = [node for node in graph.nodes if node.name in film.inputs["speech"]]
            wording = {"sentences": [node.parameters["text"] for node in spoken], "language": language}
            inputs = {"speech": film.inputs["speech"]}
            backend = self._models.choose("transcribe", None)
            node = Node(name="subtitles", kind="transcribe", backend=backend, parameters=wording, inputs=inputs)
        return Graph(nodes=(*graph.nodes, node))

    async def clip(self, request: ClipRequest) -> Graph:
        """Raises `UserError` for what can't be made."""
        _one_of(request, "picture", "prompt", "video", required=True)
        _nothing_drawn(request, "picture", "video")
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
            "format": request.format,
            "preset": video.preset,
            "crf": video.crf,
        }
        motion = self._models.choose("motion", request.backends.motion)
        move = Node(name="move", kind="move", backend=motion, parameters=movement, given=given, inputs=inputs)
        self._within(width, height, request.upscale)
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
        limits = self._settings.limits
        stored = await self._put(video)

        def look() -> FootageFacts:
            with self._artifacts.local(stored) as path:
                return footage_facts(path, max_pixels=limits.image_pixels, max_seconds=limits.video_seconds)

        facts = await asyncio.to_thread(look)
        self._within(facts.width, facts.height, request.upscale)
        return Graph(nodes=(self._enlargement(request, given={"video": stored}),))

    def _enlarged(self, made: Node, request: VideoRequest | ClipRequest) -> tuple[Node, ...]:
        """What enlarges the film that a node makes, where that is asked for."""
        if request.upscale is None:
            return ()
        return (self._enlargement(request, inputs={"video": (made.name,)}),)

    def _enlargement(self, request: VideoRequest | ClipRequest, **sources: Any) -> Node:
        if request.format == "gif":
            raise InvalidRequest("A gif is not enlarged.", field="upscale", accepted="mp4 or webm, or no upscale")
        video = self._settings.video
        how = {"factor": request.upscale, "format": request.format, "preset": video.preset, "crf": video.crf}
        backend = self._models.choose("upscale", request.backends.upscale)
        return Node(name="enlarge", kind="enlarge", backend=backend, parameters=how, **sources)

    def _within(self, width: int, height: int, factor: float | None) -> None:
        longer = max(width, height) * (factor or 1)
        if longer > LONGEST:
            raise TooLarge(
                f"The film would be {longer:.0f} pixels on its longer side.",
                code="video_too_large",
                field="upscale",
                accepted=f"at most {LONGEST} pixels: a smaller factor",
            )

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
        if found.confidence < LIKELY:
            raise InvalidText(
                f"That is not what is said in the recording (confidence {found.confidence:.2f}).",
                code="text_mismatch",
                field="transcript",
                accepted="what is said in the recording, word for word, or no transcript",
            )
        return node

    async def _portrait(self, request: VideoRequest) -> list[Node]:
        face = self._models.choose("face", request.backends.face)
        if request.portrait is not None:
            photo = await self._put(request.portrait)
            locate = Node(name="locate", kind="locate", backend=face, given={"photo": photo})
            await self._make(locate)
            return [locate]
        size = max(DRAWN, request.size or self._settings.video.size)
        return [
            self._drawn(request, size, face),
            Node(name="locate", kind="locate", backend=face, inputs={"picture": ("draw",)}),
        ]

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


def frame_size(shape: tuple[int, int], width: int | None, height: int | None, shorter: int) -> tuple[int, int]:
    """Width and height of frames of a picture of this shape, even: what is not given follows from the shape; where
    neither is, the shorter side is `shorter`. At most as long as a `Side` may be."""
    ratio = shape[0] / shape[1]
    if width is None and height is None:
        width, height = (shorter, None) if ratio <= 1 else (None, shorter)
    if width is None:
        width = _even((height or shorter) * ratio)
    elif height is None:
        height = _even(width / ratio)
    return width, height or shorter


def _even(length: float) -> int:
    return min(max(2 * round(length / 2), SHORTEST), LONGEST)


def _one_of(request: VideoRequest | ClipRequest, *fields: str, required: bool) -> None:
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


def _nothing_drawn(request: VideoRequest | ClipRequest, *pictured: str) -> None:
    """Raises `InvalidRequest` where it is said how to draw what is there already."""
    given = [field for field in pictured if getattr(request, field) is not None]
    asked = request.drawing.model_dump(exclude_none=True)
    if given and asked:
        raise InvalidRequest(
            f"With {given[0]}, nothing is drawn.", field=f"drawing.{next(iter(asked))}", accepted="drawing with prompt"
        )

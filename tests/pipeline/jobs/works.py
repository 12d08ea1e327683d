"""Jobs over a real database and a real store, with models that count what they are asked for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pipeline.contracts import (
    AnimationRequest,
    Capability,
    CodedStretch,
    DubRequest,
    Encoding,
    EnlargeRequest,
    Face,
    Film,
    Frames,
    MotionRequest,
    Phoneme,
    Picture,
    PortraitRequest,
    Samples,
    Speech,
    SpeechRequest,
    StretchRequest,
    Tracked,
    TrackRequest,
    Transcript,
    TranscriptionRequest,
    UpscaleRequest,
    VoiceConditioning,
    VoiceTint,
    Word,
)
from pipeline.errors import UnknownName
from pipeline.graph import Node
from pipeline.jobs.builder import Builder
from pipeline.jobs.feed import Feed
from pipeline.jobs.jobs import Jobs
from pipeline.jobs.journal import Journal
from pipeline.jobs.live_session import STALLED_SECONDS
from pipeline.jobs.live_sessions import LiveSessions
from pipeline.jobs.pace import Pace
from pipeline.jobs.runner import PlainRunner, Runner
from pipeline.jobs.streams import Streams
from pipeline.jobs.turns import Rank
from pipeline.jobs.webhooks import Webhooks
from pipeline.media.stretches import coded
from pipeline.metrics import Memory, Metrics
from pipeline.nodes.bench import PATIENCE, Bench
from pipeline.plan import Planner
from pipeline.settings import Settings
from pipeline.steps.speak import Speaker
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.avatars import AvatarStore
from pipeline.storage.database import Database
from pipeline.storage.voices import VoiceStore

RATE = 8000


class CountedModels:
    """Quick models of every capability, deterministic. `hook` is awaited before each call and may raise or wait."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.hook: Callable[[str], object] | None = None
        self.version = "1"
        self.films = True
        """Whether its lip-sync works on films."""
        self.stretches = True
        """Whether it makes stretches of a video."""
        self.beside = True
        """Whether voice and lip-sync can be at work at the same time."""
        self.stretched: list[StretchRequest] = []
        self.filmed: list[AnimationRequest] = []
        self.footage = b""
        """The film that it makes of a picture and of a film, where something is done with that afterwards."""

    def choose(self, capability: Capability, name: str | None) -> str:
        if name not in (None, "counted"):
            raise UnknownName.of(f"{capability} backend", name or "", ["counted"], field=f"backends.{capability}")
        return "counted"

    def enabled(self, capability: Capability) -> tuple[str, ...]:
        return ("counted",)

    def fingerprint(self, capability: Capability, backend: str) -> str:
        return self.version

    async def together(self, voice: str, lipsync: str) -> bool:
        return self.beside

    async def voices(self, backend: str) -> dict[str, tuple[str, ...]]:
        return {"plain": ("en", "de")}

    async def _called(self, what: str) -> None:
        self.calls[what] += 1
        if self.hook is not None:
            result = self.hook(what)
            if asyncio.iscoroutine(result):
                await result

    async def speak(self, backend: str, request: SpeechRequest) -> AsyncIterator[Speech]:
        await self._called(f"speak {request.text}")
        count = 800 + 10 * len(request.text)
        tone = 0.1 * np.sin(np.arange(count) / 7 + len(request.text)).astype(np.float32)
        said = (
            Phoneme(0, 0.05, "a"),
            Phoneme(0.05, count / RATE, "o"),
            Phoneme(count / RATE, (count + 2400) / RATE, ""),
        )
        yield Speech(np.concatenate([tone, np.zeros(2400, np.float32)]), RATE, said, "en")

    async def tint(self, backend: str, samples: Samples, sample_rate: int) -> VoiceTint:
        await self._called("tint")
        return VoiceTint(float(120 + len(samples) % 7), 0.2, 4.0, np.zeros(513, np.float32))

    def clones(self, backend: str) -> bool:
        return False

    async def condition(self, backend: str, samples: Samples, sample_rate: int) -> VoiceConditioning:
        raise NotImplementedError

    async def draw(self, backend: str, request: PortraitRequest) -> Picture:
        await self._called("draw")
        return np.full((request.size, request.size, 3), request.seed % 251, np.uint8)

    def honours(self, backend: str) -> tuple[str, ...]:
        return ()

    def redrawn(self, backend: str) -> bool:
        return False

    async def locate(self, backend: str, picture: Picture) -> Face:
        await self._called("locate")
        side = min(picture.shape[:2])
        return Face(np.full((478, 3), 5, np.float32), (1, 1, 9, 9), 0, 0, 0, 1, (0, 0, side))

    async def film(self, backend: str, request: AnimationRequest, encoding: Encoding) -> AsyncIterator[Film]:
        await self._called("film")
        self.filmed.append(request)
        total = request.frame_count
        for made in range(0, total, 5):
            await asyncio.sleep(0)
            await self._called("film frames")
            yield Film(min(total, made + 5))
        content = request.speech.samples.tobytes() + request.portrait.tobytes()[:100] + bytes([request.seed % 256])
        yield Film(total, content)
        yield Film(total, b"", {"render": 0.01, "encode": 0.02})

    def stretching(self) -> tuple[str, ...]:
        return ("counted",) if self.stretches else ()

    async def passage(
        self, backend: str, request: StretchRequest, encoding: Encoding
    ) -> AsyncIterator[CodedStretch | int]:
        """Frames as those of `stretch`."""
        await self._called(f"passage {request.first}")
        self.stretched.append(request)
        size, first, total = request.animation.size, request.first, request.frame_count

        def drawn() -> Iterator[Frames]:
            for start in range(first, first + total, 25):
                numbers = range(start, min(start + 25, first + total))
                yield Frames(
                    start, np.stack([np.full((size * 3 // 2, size), grey(number), np.uint8) for number in numbers])
                )

        for made in coded(drawn(), (size, size), request.animation.fps, encoding, in_order=False):
            await self._called("passage frames")
            yield made

    async def stretch(self, backend: str, request: StretchRequest, encoding: Encoding) -> CodedStretch:
        """Frames whose grey says which they are: `grey` of their number."""
        await self._called(f"stretch {request.first}")
        self.stretched.append(request)
        size, numbers = request.animation.size, range(request.first, request.first + request.frame_count)
        planes = np.stack([np.full((size * 3 // 2, size), grey(number), np.uint8) for number in numbers])
        made = await asyncio.to_thread(
            lambda: list(coded(iter([Frames(request.first, planes)]), (size, size), request.animation.fps, encoding))
        )
        assert isinstance(made[-1], CodedStretch)
        return made[-1]

    def dubs(self, backend: str) -> bool:
        return self.films

    def dubbing(self) -> tuple[str, ...]:
        return ("dubber",)

    async def track(self, backend: str, request: TrackRequest) -> AsyncIterator[Tracked]:
        await self._called("track")
        yield Tracked(4)
        yield Tracked(8, np.zeros((8, 478, 3), np.float32))

    async def dub(self, backend: str, request: DubRequest, encoding: Encoding) -> AsyncIterator[Film]:
        await self._called("dub")
        for made in range(0, request.frame_count, 5):
            await asyncio.sleep(0)
            yield Film(min(request.frame_count, made + 5))
        content = request.speech.samples.tobytes() + request.data.tobytes()[:100] + request.extend.encode()
        yield Film(request.frame_count, self.footage or content)

    async def move(self, backend: str, request: MotionRequest, encoding: Encoding) -> AsyncIterator[Film]:
        await self._called("move")
        for made in range(0, request.frame_count, 5):
            await asyncio.sleep(0)
            yield Film(min(request.frame_count, made + 5))
        content = f"{request.camera} {request.width}x{request.height} {request.frame_count}".encode()
        yield Film(request.frame_count, self.footage or content + request.picture.tobytes()[:100])

    async def upscale(self, backend: str, request: UpscaleRequest) -> Picture:
        await self._called("upscale")
        return np.zeros((request.height, request.width, 3), np.uint8)

    async def transcribe(self, backend: str, request: TranscriptionRequest) -> Transcript:
        await self._called("transcribe")
        words = (request.text or "hello").split()
        step = len(request.samples) / request.sample_rate / len(words)
        said = tuple(Word(number * step, (number + 1) * step, word) for number, word in enumerate(words))
        return Transcript(" ".join(words), request.language or "en", said, None, 0.0 if "wrong" in words else 1.0)

    def recognises(self, backend: str) -> bool:
        return False

    async def enlarge(self, backend: str, request: EnlargeRequest) -> AsyncIterator[Film]:
        await self._called("enlarge")
        yield Film(3, f"{request.width}x{request.height}".encode() + request.data.tobytes()[:100])


def grey(number: int) -> int:
    """The grey of a frame, 16 to 235, as far from its neighbours' as to tell them apart after encoding."""
    return 30 + 37 * number % 190


class Hold:
    """A hook for `CountedModels`: the first call of this name, and every later one, stays until it is cancelled, or
    until `go` is set."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.reached = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, what: str) -> None:
        if what == self._name:
            self.reached.set()
            await self.go.wait()


@asynccontextmanager
async def works(
    folder: Path,
    models: CountedModels,
    *,
    runner: Runner | None = None,
    stalled: float = STALLED_SECONDS,
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.monotonic,
    **changes: object,
) -> AsyncGenerator[SimpleNamespace]:
    """Opened jobs on `folder`; `changes` are settings of the section `jobs`, and other sections by name;
    `quota` is the store's, in bytes;
    `patience` is that of nodes which wait for what comes;
    `stalled` is how long a live session waits for whoever takes it, and `clock` tells it how long it has lasted."""
    sections = {name: changes.pop(name, {}) for name in ("limits", "storage", "avatar")}
    quota: Any = changes.pop("quota", None)
    settings = Settings.model_validate({**sections, "jobs": {"retry_seconds": 0.01, **changes}})
    folder.mkdir(parents=True, exist_ok=True)
    database = Database.in_folder(folder)
    database.migrate()
    artifacts, memory = ArtifactFolder(folder / "artifacts", quota_bytes=quota), Memory()
    feed = Feed()
    journal = Journal(database, feed.poke)
    bench = Bench(models, artifacts, settings, patience)
    builder = Builder(bench, journal, Metrics(memory))
    speaker = Speaker(models, VoiceStore(folder / "voices"), settings.limits)

    async def at_once(node: Node) -> str:
        return (await builder.make(node, {}, Rank.of(1000, ""), Unwatched()))[0].artifact

    avatars = AvatarStore(folder / "avatars")
    planner = Planner(models, settings, speaker, avatars, artifacts, at_once)
    streams = Streams(bench, planner, builder, Metrics(memory))
    live = LiveSessions(bench, planner, builder, Metrics(memory), lambda: Pace(1e9), stalled, clock)
    jobs = Jobs(
        settings,
        journal,
        feed,
        planner,
        builder,
        runner or PlainRunner(),
        artifacts,
        Metrics(memory),
        Webhooks(database, settings.webhooks),
    )
    await jobs.open()
    try:
        yield SimpleNamespace(
            jobs=jobs, models=models, artifacts=artifacts, database=database, metrics=memory, journal=journal,
            builder=builder, avatars=avatars, streams=streams, live=live,
        )  # fmt: skip
    finally:
        await live.close()
        await streams.close()
        await jobs.close()
        journal.close()
        database.close()


class Unwatched:
    def keyed(self, key: str) -> None: ...

    def started(self, attempt: int) -> None: ...

    def told(self, made: int, total: int, *, sure: bool = True) -> None: ...

    def said(self, part: Speech) -> None: ...

"""Mouthpiece without a server: the application itself, in this process.

The only module of the clients that knows the server's side.
"""

from __future__ import annotations

import asyncio
import os
import platform
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from clients.python.states import job_states
from clients.python.studio import Studio
from pipeline import cascade
from pipeline.contracts import (
    AudioFormat,
    Avatar,
    Capability,
    ClipRequest,
    Drawing,
    DrawRequest,
    Event,
    Gpu,
    Job,
    JobKind,
    NewAvatar,
    SpeakRequest,
    Status,
    SubtitleFormat,
    TaskState,
    TranscribeRequest,
    UpscalePicture,
    UsageTable,
    VideoJob,
    VideoRequest,
    VoiceList,
    VoiceProfile,
)
from pipeline.contracts.placement import ModelWish, Placement
from pipeline.errors import MouthpieceError
from pipeline.layers import Layer
from pipeline.settings import Settings
from pipeline.settings_file import load_file

if TYPE_CHECKING:
    from deployments.backends.published.holdings import Holdings
    from deployments.backends.published.verification import Verdict

T = TypeVar("T")

CONFIG: Final = Path("serve_config.yaml")
"""Settings file that is read where it stands in the working directory and none is named."""


def layer(config: Path | None) -> Layer:
    """The settings of a file; of ./serve_config.yaml, or none, where no file is named."""
    if config is not None:
        return load_file(config)
    return load_file(CONFIG) if CONFIG.exists() else Layer({})


def overrides(sets: Sequence[str] | None) -> dict[str, Any]:
    """`--set` flags as the cascade takes them. Raises `SettingsError` for one that is no setting."""
    return dict(cascade.override(text) for text in sets or ())


def settings(config: Path | None, sets: Sequence[str] | None) -> Settings:
    """What holds in this process. Raises `SettingsError`."""
    from deployments.placement import gpus

    return cascade.resolve(layer(config), os.environ, overrides(sets), gpus.vram_gigabytes())


def published(config: Path | None, sets: Sequence[str] | None) -> Holdings:
    """The published models on this machine, held to the licences that the settings allow. Raises `SettingsError`."""
    from deployments.backends.published.holdings import Holdings

    return Holdings(commercial_use=settings(config, sets).commercial_use)


def damaged(found: Sequence[tuple[str, Sequence[Verdict]]]) -> MouthpieceError | None:
    """What to say of files that were verified; None where all are whole."""
    from deployments.backends.published import holdings

    return holdings.damaged(found)


class Local(Studio):
    """The application in this process, with the operations of a server."""

    def __init__(self, settings: Settings, *, verbose: bool = False) -> None:
        from deployments.local import LocalApplication

        self._application = LocalApplication(settings, verbose=verbose)
        self._operations = self._application.operations
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mouthpiece", daemon=True)
        self._thread.start()

    # Videos

    def render(self, request: VideoRequest, idempotency_key: str | None = None) -> VideoJob:
        return self._call(self._operations.create_video(request, idempotency_key))

    def clip(self, request: ClipRequest, idempotency_key: str | None = None) -> VideoJob:
        return self._call(self._operations.create_clip(request, idempotency_key))

    def video(self, video_id: str) -> VideoJob:
        return self._call(self._operations.video(video_id))

    def videos(self, limit: int = 20, after: str | None = None) -> list[VideoJob]:
        return self._call(self._operations.videos(limit, after))

    def watch(self, video_id: str) -> Generator[VideoJob, None, None]:
        return self._each(lambda: self._operations.watch_video(video_id))

    def cancel(self, video_id: str) -> VideoJob:
        return self._call(self._operations.cancel_video(video_id))

    def delete(self, video_id: str) -> None:
        self._call(self._operations.delete_video(video_id))

    def content(self, video_id: str) -> Generator[bytes, None, None]:
        return self._each(lambda: self._operations.video_content(video_id))

    def stream(self, request: VideoRequest) -> Generator[bytes, None, None]:
        return self._each(lambda: self._operations.stream_video(request))

    def subtitles(self, video_id: str, format: SubtitleFormat = "srt") -> bytes:
        return self._call(self._operations.video_subtitles(video_id, format))

    # Jobs

    def job(self, job_id: str) -> Job:
        return self._call(self._operations.job(job_id))

    def jobs(
        self,
        limit: int = 20,
        after: str | None = None,
        kind: JobKind | None = None,
        states: Sequence[TaskState] = (),
    ) -> list[Job]:
        return self._call(self._operations.jobs(limit, after, kind, tuple(states)))

    def watch_job(self, job_id: str) -> Generator[Job, None, None]:
        with closing(self._news(None, job_id)) as news:
            yield from job_states(lambda: self.job(job_id), news)

    def cancel_job(self, job_id: str) -> Job:
        return self._call(self._operations.cancel_job(job_id))

    def retry_job(self, job_id: str) -> Job:
        return self._call(self._operations.retry_job(job_id))

    def delete_job(self, job_id: str) -> None:
        self._call(self._operations.delete_job(job_id))

    def events(self, after: int | None = None, job: str | None = None) -> Generator[Event, None, None]:
        with closing(self._news(after, job)) as news:
            yield from (event for event in news if event is not None)

    def _news(self, after: int | None, job: str | None) -> Generator[Event | None, None, None]:
        """Events, those that are kept first, and None whenever nothing that happens is missed any more."""
        while True:  # the application lets go of whoever is too slow
            with closing(self._each(self._operations.follow_events)) as batches:
                fresh = next(batches)
                while after is not None and (kept := self._call(self._operations.events(after, job))):
                    yield from kept
                    after = kept[-1].id
                yield None
                for event in chain(fresh, chain.from_iterable(batches)):
                    if event.id > (after or 0):
                        after = event.id
                        if job in (None, event.task_id):
                            yield event

    def usage(self, table: UsageTable, since: datetime | None = None) -> Generator[bytes, None, None]:
        return self._each(lambda: self._operations.usage(table, since))

    # Speech and portraits alone

    def speak(self, request: SpeakRequest) -> Generator[bytes, None, None]:
        return self._each(lambda: self._operations.speak(request))

    def draw(self, request: DrawRequest) -> bytes:
        return self._call(self._operations.draw(request)).png

    def upscale(self, request: UpscalePicture) -> bytes:
        return self._call(self._operations.upscale(request))

    def transcribe(self, request: TranscribeRequest) -> bytes:
        from pipeline.media.subtitles import as_file

        return as_file(self._call(self._operations.transcribe(request)), request.format)

    # Voices

    def create_voice(self, name: str, clip: bytes) -> VoiceProfile:
        return self._call(self._operations.create_voice(name, clip))

    def voices(self) -> VoiceList:
        return self._call(self._operations.voices())

    def voice(self, voice: str) -> VoiceProfile:
        return self._call(self._operations.voice(voice))

    def preview_voice(
        self, voice: str, text: str | None = None, language: str = "en", format: AudioFormat = "wav"
    ) -> Generator[bytes, None, None]:
        return self._each(lambda: self._operations.preview_voice(voice, text, language, format))

    def rename_voice(self, voice: str, name: str) -> VoiceProfile:
        return self._call(self._operations.rename_voice(voice, name))

    def delete_voice(self, voice: str) -> None:
        self._call(self._operations.delete_voice(voice))

    # Avatars

    def create_avatar(
        self,
        name: str,
        portrait: bytes | None = None,
        prompt: str | None = None,
        size: int | None = None,
        seed: int = 0,
        drawing: Drawing | None = None,
        backend: str | None = None,
    ) -> Avatar:
        how = {} if drawing is None else drawing.model_dump()
        wanted = NewAvatar(name=name, portrait=portrait, prompt=prompt, size=size, seed=seed, backend=backend, **how)
        return self._call(self._operations.create_avatar(wanted))

    def avatars(self) -> list[Avatar]:
        return self._call(self._operations.avatars())

    def avatar(self, avatar: str) -> Avatar:
        return self._call(self._operations.avatar(avatar))

    def avatar_picture(self, avatar: str) -> bytes:
        return self._call(self._operations.avatar_png(avatar))

    def rename_avatar(self, avatar: str, name: str) -> Avatar:
        return self._call(self._operations.rename_avatar(avatar, name))

    def delete_avatar(self, avatar: str) -> None:
        self._call(self._operations.delete_avatar(avatar))

    # System

    def backends(self) -> dict[Capability, tuple[str, ...]]:
        return self._call(self._operations.models())

    def placement(self) -> Placement:
        return self._call(self._operations.placement())

    def ask_model(self, model: str, wish: ModelWish) -> Placement:
        return self._call(self._operations.ask_model(model, wish))

    def status(self) -> Status:
        return self._call(self._operations.status())

    def close(self) -> None:
        self._call(_drain())
        self._application.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # The event loop

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the loop; interrupted, it takes the work with it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _each(self, start: Callable[[], AsyncIterator[T]]) -> Generator[T, None, None]:
        """Takes what an asynchronous iterator yields, one by one; abandoned, it is closed."""
        items: AsyncIterator[T] = start()
        turn: asyncio.Task[Any] | None = None

        async def following() -> tuple[T] | None:
            nonlocal turn
            turn = asyncio.current_task()
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return None

        async def close() -> None:
            if turn is not None and not turn.done():  # interrupted: it has to leave the iterator first
                turn.cancel()
                await asyncio.wait({turn})
            ending = getattr(items, "aclose", None)
            if ending is not None:
                await ending()

        try:
            while (item := self._call(following())) is not None:
                yield item[0]
        finally:
            if not self._loop.is_closed():
                self._call(close())


async def _drain() -> None:
    """Ends every other task of the loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, as an application started on it now would find it."""

    versions: dict[str, str]
    profile: str
    folder: str
    backends: dict[str, tuple[str, ...]]
    gpus: tuple[Gpu, ...]
    problem: str | None
    """What went wrong with detecting cards."""
    settings: dict[str, cascade.Explained]
    """Dotted key -> value, and where it came from."""


def machine(config: Path | None, sets: Sequence[str] | None) -> Machine:
    """What holds here. Starts nothing, and imports neither Ray nor a model. Raises `SettingsError`."""
    from importlib.metadata import version

    from deployments.placement import gpus

    found = gpus.detect(os.environ)
    given, flags = layer(config), overrides(sets)
    held = cascade.resolve(given, os.environ, flags, found.vram_gigabytes)
    return Machine(
        versions={"mouthpiece": version("mouthpiece"), "python": platform.python_version(), "ray": version("ray")},
        profile=held.profile,
        folder=str(held.storage.folder),
        backends={capability: held.backends(capability) for capability in get_args(Capability)},
        gpus=tuple(
            Gpu(
                index=card.index,
                name=card.name,
                total_gigabytes=card.total_gigabytes,
                used_gigabytes=card.used_gigabytes,
            )
            for card in found.cards
            if card.total_gigabytes is not None
        ),
        problem=found.problem,
        settings=cascade.explain(given, os.environ, flags, found.vram_gigabytes),
    )


def serve(
    config: Path | None, flags: Mapping[str, Any], *, dashboard: bool, ready: Callable[[dict[str, str]], None]
) -> None:
    """Serves on this machine until interrupted; `ready` is told the addresses by name.

    Raises `SettingsError`, and `Unavailable` where a port is taken or a part does not start.
    """
    from deployments.serving import Addresses, serve_forever

    def answering(found: Addresses) -> None:
        named = {"http": found.http, "docs": f"{found.http}/docs", "dashboard": found.dashboard}
        named |= {"ray": found.ray, "token": found.token}
        ready({name: address for name, address in named.items() if address is not None})

    serve_forever(config or (CONFIG if CONFIG.exists() else None), flags, dashboard=dashboard, ready=answering)

"""The one settings object: frozen, typed, unknown keys refused.

`pipeline.cascade.resolve` makes it, from the profile's defaults, the user's YAML, the environment and flags.
Whoever needs a setting is handed it; nothing else reads the environment.
Units are in the names: megabytes are 2**20 bytes, gigabytes 2**30.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from pipeline.contracts import Capability, Rate, Size
from pipeline.secrets import MASK, secret_name
from pipeline.setting_types import (
    BackendName,
    BackendNames,
    Bucket,
    Count,
    DatabaseUrl,
    DeploymentNames,
    Folder,
    Host,
    HttpUrl,
    Options,
    Port,
    Seconds,
    SigningSecret,
    X264Preset,
    whole,
)

Key = tuple[str, ...]
"""A dotted key, taken apart."""

Profile = Literal["high", "standard", "small", "cpu"]


class Section(BaseModel):
    """Base of every section: immutable, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Server(Section):
    host: Host = "127.0.0.1"
    """Address that HTTP listens on. There is no login yet: keep it on loopback unless something guards it."""
    port: Port = 8000
    """Port that HTTP listens on."""
    upload_megabytes: Count = 64
    """Largest request body; what exceeds it is refused while it arrives."""
    request_seconds: Seconds = 900
    """Longest an HTTP request may take before it is given up."""


class RayCluster(Section):
    dashboard_port: Port = 8265
    """Port of the Ray dashboard of a cluster that `mouthpiece serve` starts."""
    object_store_megabytes: Annotated[int, whole(80, 1_048_576)] = 512
    """Shared memory for sound and frames on their way between deployments. Ray wants at least 80."""
    forked_workers: Annotated[bool, Field(strict=True)] = True
    """Whether the workers of a cluster that `mouthpiece serve` starts are forked from one process that has loaded Ray,
    which starts sooner and takes less memory. Linux only; elsewhere each loads it by itself."""


class Storage(Section):
    folder: Folder = Path("~/.local/share/mouthpiece")
    """Where voices, avatars, jobs and finished videos are kept. Absolute, or from ~; honours XDG_DATA_HOME."""
    database: DatabaseUrl | None = None
    """A secret: where jobs are kept, postgresql://user:password@host/name. null is SQLite in the folder."""
    bucket: Bucket | None = None
    """Where what is made is kept: s3://bucket/prefix. null is the folder. Keys are read as boto3 reads them, from
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the shared credentials file."""
    endpoint: HttpUrl | None = None
    """Address of an S3 server that is not Amazon's."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] = "us-east-1"
    """Region of the bucket."""
    quota_gigabytes: Annotated[float, Field(strict=True, gt=0, le=1_000_000, allow_inf_nan=False)] | None = None
    """Most that artifacts may take together; what nothing refers to goes first. null is as much as there is."""
    reserve_megabytes: Annotated[int, whole(0, 1_048_576)] = 256
    """Room on the folder's disk that is never used: a step that would use it fails instead."""
    keep_days: Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)] | None = None
    """Days after which an ended job and its video are removed. null keeps them until they are deleted."""
    cache_days: Annotated[float, Field(strict=True, ge=0, le=100_000, allow_inf_nan=False)] = 7.0
    """Days that what no job refers to any more is kept to be used again."""


class Limits(Section):
    text_characters: Annotated[int, whole(1, 1_000_000)] = 50_000
    """Longest text in one request."""
    clip_seconds_min: Annotated[float, Field(strict=True, ge=3, le=60)] = 3.0
    """Shortest reference clip of a voice."""
    clip_seconds_max: Seconds = 300.0
    """Longest reference clip of a voice."""
    audio_seconds: Seconds = 900.0
    """Longest recording that can be lip-synced to, or transcribed."""
    image_pixels: Annotated[int, whole(4096, 10**9)] = 64_000_000
    """Most pixels of an uploaded picture, read from its header before it is decoded."""
    video_seconds: Seconds = 3600.0
    """Longest video made by one request."""
    video_megabytes: Count = 4096
    """Largest video file made by one request; its step fails when it grows past that."""

    @field_validator("clip_seconds_max")
    @classmethod
    def _ordered(cls, longest: float, info: ValidationInfo) -> float:
        if longest < (shortest := info.data.get("clip_seconds_min", 0.0)):
            raise ValueError(f"must not be below clip_seconds_min, {shortest}")
        return longest


class Jobs(Section):
    queued: Count = 1000
    """Jobs that may wait; a request past it is told to come back (429)."""
    running: Annotated[int, whole(1, 1000)] = 3
    """Jobs that are worked on at the same time: while one is filmed, the next is spoken."""
    audio: Annotated[int, whole(1, 1000)] = 4
    """Steps that make sound, at the same time, of all jobs together."""
    image: Annotated[int, whole(1, 1000)] = 1
    """Steps that draw or look at pictures, at the same time."""
    video: Annotated[int, whole(1, 1000)] = 1
    """Steps that make video, at the same time."""
    streams: Annotated[int, whole(1, 1000)] = 8
    """Videos that are watched while they are made, at the same time; one past it is told to come back (429)."""
    live: Annotated[int, whole(1, 1000)] = 4
    """Live sessions at the same time; one past it is told to come back (its WebSocket is closed with 1013)."""
    idle_seconds: Seconds = 300.0
    """A live session is ended when nothing has been said in it for so long, by either side."""
    retries: Annotated[int, whole(0, 20)] = 3
    """How often a step is tried again that failed in a way that may pass."""
    retry_seconds: Seconds = 1.0
    """Wait before the first of these; twice as long before each next one."""
    job_seconds: Seconds = 7200.0
    """Longest a job may be worked on; it fails when that is over."""


class Webhooks(Section):
    secret: SigningSecret | None = None
    """A secret: signs what is sent (Standard Webhooks), `whsec_` and base64 of 24 to 64 bytes. A request with a webhook
    is refused without it."""
    private_networks: Annotated[bool, Field(strict=True)] = False
    """Whether a webhook may lead to this machine or to a private network. Addresses at which a cloud hands out
    credentials stay refused."""
    hosts: tuple[Host, ...] = ()
    """Hosts that may be called whatever network they are on; with private_networks off, the way to name one."""


class Voice(Section):
    backends: BackendNames = ("espeak",)
    """Enabled voice backends; the first is the default, a request may name another."""


class AvatarDrawing(Section):
    backends: BackendNames = ("procedural",)
    """Enabled portrait backends; the first is the default, a request may name another."""
    attempts: Annotated[int, whole(1, 100)] = 4
    """How often a backend that can't promise a usable face draws, each time with the next seed, until there is one."""


class FaceFinding(Section):
    backends: BackendNames = ("mediapipe",)
    """Enabled face backends; the first is the default, a request may name another."""


class Lipsync(Section):
    backends: BackendNames = ("meshwarp",)
    """Enabled lip-sync backends; the first is the default, a request may name another."""


class Motion(Section):
    backends: BackendNames = ("kenburns",)
    """Enabled motion backends; the first is the default, a request may name another."""


class Upscale(Section):
    backends: BackendNames = ("lanczos",)
    """Enabled upscale backends; the first is the default, a request may name another."""


class Transcribe(Section):
    backends: BackendNames = ("align",)
    """Enabled transcribe backends; the first is the default, a request may name another. What is said in a recording
    without a known text is asked of the first that recognises speech."""


class Video(Section):
    size: Annotated[Size, Field(strict=True)] = 512
    """Side of the square video in pixels, even, where the request names none."""
    fps: Annotated[Rate, Field(strict=True, allow_inf_nan=False)] = 25.0
    """Frames a second, where the request names none."""
    preset: X264Preset = "veryfast"
    """x264's trade of time for size."""
    crf: Annotated[int, whole(0, 51)] = 20
    """x264's quality: 0 is lossless, 18 looks it, 51 is worst."""


class Gpu(Section):
    budget_gigabytes: Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)] | None = None
    """Memory of each card that models may take together; null is all of it. Means nothing without a card."""
    margin_megabytes: Annotated[int, whole(0, 1_048_576)] = 512
    """Part of the budget that stays free, on top of what each model declares or was measured to take."""


class Placement(Section):
    """Models that don't fit on the cards together take turns. Means nothing without a card."""

    turn_seconds: Seconds = 12.0
    """Longest that a busy model keeps its room once another waits for it."""
    keep_seconds: Annotated[float, Field(strict=True, ge=0, le=31_536_000, allow_inf_nan=False)] | None = None
    """Seconds that an idle model stays on its card; null is until its room is needed."""
    keep: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*=[0-9]{1,8}$")], ...] = ()
    """The same for single models: voice-xtts=600."""
    pinned: DeploymentNames = ()
    """Models that never leave their card: voice-xtts, lipsync-musetalk."""
    prewarm: DeploymentNames = ()
    """Models that are loaded before anybody asks, where room is spare, besides the default ones."""
    replicas: Annotated[int, whole(1, 1000)] = 8
    """Most replicas of one model, on as many cards."""
    start_seconds: Seconds = 120.0
    """A model that is not ready so long after it was asked for is given up, and its room is given back."""


class Generation(Section):
    """For diffusion and lip-sync networks; the embedded backends have no use for it.

    What is here is handed to every backend whose constructor has an argument of that name; its own options win.
    """

    batch: Annotated[int, whole(1, 256)] = 1
    """Pictures or frames that a diffusion or lip-sync network works on at once."""
    steps: Annotated[int, whole(1, 1000)] = 25
    """Denoising steps of a diffusion model, where the request names none."""
    image_size: Annotated[Size, Field(strict=True)] = 512
    """Side in pixels that a diffusion model draws at; the picture is then brought to the size asked for."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Numbers that networks compute in; auto is float16 on a card, elsewhere what the processor is good at."""
    slicing: Annotated[bool, Field(strict=True)] = False
    """Whether a diffusion model works piece by piece, slower and in less memory."""
    offload: Literal["none", "model", "sequential"] = "none"
    """What a diffusion model leaves in the host's memory while it is not needed on the card: nothing, whole networks
    or, slower still, single layers."""


class Settings(Section):
    profile: Literal["auto", "high", "standard", "small", "cpu"] = "auto"
    """Hardware profile that the defaults below come from: high, standard, small, cpu; auto looks at the card."""
    commercial_use: Annotated[bool, Field(strict=True)] = False
    """Whether what is made is to be sold: models and backends whose licence forbids that are then refused."""
    server: Server = Server()
    ray: RayCluster = RayCluster()
    storage: Storage = Storage()
    limits: Limits = Limits()
    jobs: Jobs = Jobs()
    webhooks: Webhooks = Webhooks()
    voice: Voice = Voice()
    avatar: AvatarDrawing = AvatarDrawing()
    face: FaceFinding = FaceFinding()
    lipsync: Lipsync = Lipsync()
    motion: Motion = Motion()
    upscale: Upscale = Upscale()
    transcribe: Transcribe = Transcribe()
    video: Video = Video()
    gpu: Gpu = Gpu()
    placement: Placement = Placement()
    generation: Generation = Generation()
    options: dict[BackendName, Options] = {}
    """One section per backend, by its name: the keyword arguments of its constructor, checked against them."""
    resolved: Annotated[bool, Field(strict=True)] = False
    """True once the cascade has run: the settings are then taken as they are. Written by Mouthpiece, not by you."""

    def backends(self, capability: Capability) -> tuple[str, ...]:
        """Enabled backends of a capability, the default first."""
        section: Voice | AvatarDrawing | FaceFinding | Lipsync | Motion | Upscale | Transcribe = getattr(
            self, capability
        )
        return section.backends

    def args(self) -> dict[str, Any]:
        """Plain values that `Settings.model_validate` turns back into an equal object.

        They are fit for JSON and YAML as long as no secret is set: secrets are `SecretStr`, so that they get to the
        processes of the application, by pickle, and into no text. For showing, `model_dump(mode="json")` masks them.
        """
        values = self.model_dump(mode="json")
        for key, secret in self._secrets():
            section = reduce(dict.__getitem__, key[:-1], values)
            section[key[-1]] = secret
        return values

    def _secrets(self) -> Iterator[tuple[Key, SecretStr]]:
        for key in SECRETS:
            value: Any = reduce(getattr, key, self)
            if value is not None:
                yield key, value
        for backend, options in self.options.items():
            for name, text in options.items():
                if secret_name(name) and text is not None:
                    yield ("options", backend, name), SecretStr(str(text))

    @field_serializer("options")
    def _masked(self, options: dict[str, Any]) -> dict[str, Any]:
        return {backend: _shown(values) for backend, values in options.items()}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, self._masked(value) if name == "options" else value


def _shown(options: dict[str, Any]) -> dict[str, Any]:
    return {name: MASK if secret_name(name) and value is not None else value for name, value in options.items()}


def keys(model: type[BaseModel] = Settings, above: Key = ()) -> tuple[Key, ...]:
    """Every key that can be set; `options` stands for what the backends add under it."""
    found: list[Key] = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += keys(field.annotation, (*above, name))
        elif (*above, name) != ("resolved",):
            found.append((*above, name))
    return tuple(found)


KEYS = keys()


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_is_secret, get_args(annotation)))


def _field(key: Key) -> Any:
    model: Any = Settings
    for name in key[:-1]:
        model = model.model_fields[name].annotation
    return model.model_fields[key[-1]].annotation


SECRETS = frozenset(key for key in KEYS if _is_secret(_field(key)))
"""Keys of secrets: the fields that are a `SecretStr`."""


def secret(key: Key) -> bool:
    """Whether a key is a secret, declared in a section or an option of a backend by its name; or lies under one."""
    declared = any(key[:end] in SECRETS for end in range(1, len(key) + 1))
    return declared or (key[:1] == ("options",) and len(key) > 2 and secret_name(key[2]))

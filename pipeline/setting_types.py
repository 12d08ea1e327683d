"""What a setting may be: the types of the settings' fields, and how each is checked."""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, SecretStr

from pipeline.secrets import secret_name

X264Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]

BackendName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=60)]


def _absolute(path: Path) -> Path:
    if not str(path).isprintable():
        raise ValueError("must be printable text")
    # A relative folder would mean another place in every process of the cluster.
    if not path.is_absolute() and path.parts[:1] != ("~",):
        raise ValueError("must be an absolute path, or start with ~/")
    return path


def _opened(options: Any) -> Any:
    # A secret option travels as a secret (`Settings.args`) and is plain text where the backend is given it.
    if not isinstance(options, dict):
        return {} if options is None else options
    return {k: v.get_secret_value() if isinstance(v, SecretStr) else v for k, v in options.items()}


def _plain(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if any(secret_name(name) and not isinstance(value, str | None) for name, value in options.items()):
        raise ValueError("must hold its secrets as text")
    # What JSON can't hold would not be the same in the process that the options are meant for.
    try:
        json.dumps(options, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        raise ValueError("must hold finite numbers and valid text") from None
    return options


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("must not name a backend twice")
    return names


def _postgres(url: SecretStr) -> SecretStr:
    if not re.fullmatch(r"postgresql://\S{1,2000}", url.get_secret_value()):
        raise ValueError("must be postgresql://user:password@host/name")
    return url


def _signing(secret: SecretStr) -> SecretStr:
    # As the libraries of Standard Webhooks take it, so that a receiver is configured with the same text.
    try:
        size = len(base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True))
    except (ValueError, binascii.Error):
        size = 0
    if not 24 <= size <= 64:
        raise ValueError(
            "must be whsec_ and base64 of 24 to 64 bytes, as `echo whsec_$(openssl rand -base64 32)` makes"
        )
    return secret


def whole(low: int, high: int | None = None) -> Any:
    """A whole number from `low` to `high`; text and booleans are not numbers here."""
    return Field(strict=True, ge=low, le=high)


Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400, allow_inf_nan=False)]
Folder = Annotated[Path, AfterValidator(_absolute)]
BackendNames = Annotated[tuple[BackendName, ...], Field(min_length=1), AfterValidator(_distinct)]
DeploymentNames = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z]+-[a-z][a-z0-9_-]*$", max_length=80)], ...], AfterValidator(_distinct)
]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:%-]+$", max_length=253)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgres)]
SigningSecret = Annotated[SecretStr, AfterValidator(_signing)]
Bucket = Annotated[
    str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]*)?$", max_length=500)
]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+/?$", max_length=500)]
Options = Annotated[dict[str, JsonValue], BeforeValidator(_opened), AfterValidator(_plain)]

"""What the command line points to, read and checked before anything starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pipeline.errors import InvalidRequest, TooLarge, UnknownName

if TYPE_CHECKING:
    from pipeline.contracts import Contract

C = TypeVar("C", bound="Contract")
F = TypeVar("F", bound=str)

CAPABILITIES: Final = ("voice", "avatar", "face", "lipsync", "motion", "upscale", "transcribe")
MOST_BYTES: Final = 1 << 30
"""More than any server takes: what is larger is not read into memory."""
PIECE: Final = 1 << 20
"""Bytes read at once."""
MOST_TEXT: Final = 4_000_000
"""Bytes of a script; a request holds at most a million characters."""


def one_of(given: Mapping[str, object], *, required: bool, what: str = "to say") -> None:
    """Raises `InvalidRequest` for two values at once, or none where one is `required`: then there is nothing `what`.
    Keys are option names."""
    named = [name for name, value in given.items() if value is not None]
    listed = ", ".join(given)
    if len(named) > 1:
        raise InvalidRequest(
            f"{' and '.join(named)} are given at once.", code="two_sources", field=named[1], accepted=f"one of {listed}"
        )
    if required and not named:
        raise InvalidRequest(
            f"There is nothing {what}.", code="missing_field", field=next(iter(given)), accepted=f"one of {listed}"
        )


def spoken(text: str | None, script: Path | None, option: str = "--script") -> str | None:
    """`text`, or the text of the file that `option` names."""
    if script is None:
        return text
    piped = str(script) == "-"
    data = sys.stdin.buffer.read(MOST_TEXT + 1) if piped else contents(script, option, MOST_TEXT)
    if len(data) > MOST_TEXT:
        raise TooLarge("The script is too long.", field=option, accepted=f"at most {MOST_TEXT} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{script} is not UTF-8 text.", field=option, accepted="a text file") from None


def contents(path: Path, option: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file that an option names."""
    try:
        # Its size is not asked for: pipes and devices have none, and may never end.
        data = bytearray()
        with path.open("rb") as file:
            while len(data) <= most and (piece := file.read(PIECE)):
                data += piece
    except OSError as error:
        raise InvalidRequest(
            f"{path} can't be read: {error.strerror or error}.",
            code="unreadable_file",
            field=option,
            accepted="a file that can be read",
        ) from None
    if len(data) > most:
        raise TooLarge(f"{path} is too large.", field=option, accepted=f"at most {most} bytes")
    return bytes(data)


def clip_or_name(voice: str | None) -> dict[str, Any]:
    """`--voice`: a file that exists is a reference clip, anything else a name."""
    if voice is None:
        return {}
    path = Path(voice)
    if path.is_file():
        return {"voice_clip": contents(path, "--voice")}
    if "/" in voice or path.suffix.lower() in (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"):
        raise InvalidRequest(
            f"There is no file {voice}.", code="unreadable_file", field="--voice", accepted="a file, or a voice's name"
        )
    return {"voice": voice}


def extension(path: Path, accepted: Sequence[F], option: str = "--output") -> F:
    """The format that a file name asks for. Raises `InvalidRequest` for one that is not `accepted`."""
    found = path.suffix.lower().removeprefix(".")
    for name in accepted:
        if name == found:
            return name
    raise InvalidRequest(
        f"{path.name or path} has no ending that is a format here.",
        code="unknown_extension",
        field=option,
        accepted=", ".join(f".{name}" for name in accepted),
    )


def backends(chosen: Sequence[str] | None, *, only: str | None = None) -> dict[str, str]:
    """`--backend voice=flite` taken apart. Where a command uses one capability, `only`, its name may be left out."""
    found: dict[str, str] = {}
    known = CAPABILITIES if only is None else (only,)
    for choice in chosen or ():
        capability, equals, name = choice.partition("=")
        if not equals and only is not None:
            capability, name = only, choice
        if capability not in known:
            raise UnknownName.of("capability", capability, known, field="--backend")
        if not name:
            raise InvalidRequest(
                f"{choice!r} names no backend.",
                field="--backend",
                accepted=f"{known[0]}=NAME, as in `mouthpiece status`",
            )
        if capability in found:
            raise InvalidRequest(f"--backend {capability} is given twice.", code="given_twice", field="--backend")
        found[capability] = name
    return found


def drawing(
    negative_prompt: str | None,
    style: str | None,
    lora: Sequence[str] | None,
    steps: int | None,
    guidance: float | None,
) -> dict[str, Any]:
    """The options of `Drawing` that are given, by field. `--lora warm=0.8` taken apart; without a weight it is 1."""
    loras: dict[str, float] = {}
    for use in lora or ():
        name, equals, weight = use.partition("=")
        if name in loras:
            raise InvalidRequest(f"--lora {name} is given twice.", code="given_twice", field="--lora")
        try:
            loras[name] = float(weight) if equals else 1.0
        except ValueError:
            raise InvalidRequest(
                f"{use!r} has no number for its weight.", field="--lora", accepted="NAME=WEIGHT, such as warm=0.8"
            ) from None
    given = {
        "negative_prompt": negative_prompt,
        "style": style,
        "loras": loras or None,
        "steps": steps,
        "guidance": guidance,
    }
    return {name: value for name, value in given.items() if value is not None}


def contract(kind: type[C], **fields: Any) -> C:
    """`kind(**fields)` without the fields that are None. Raises `InvalidRequest` for the first that doesn't fit."""
    from pydantic import ValidationError

    try:
        return kind(**{name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        shown = repr(first["input"])
        got = shown if len(shown) <= 60 else shown[:57] + "..."
        raise InvalidRequest(f"{first['msg']}, got {got}.", field=field) from None

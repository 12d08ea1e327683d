"""What may not be said at once in a request, and what has to be."""

from __future__ import annotations

from pipeline.contracts import ClipRequest, VideoRequest
from pipeline.errors import InvalidRequest, TooLarge
from pipeline.models import Models
from pipeline.nodes.shapes import LONGEST


def fitting(request: VideoRequest) -> None:
    """Raises `InvalidRequest` for what a film that is given, or made first, has no use for."""
    asked = {name for name in request.model_fields_set if getattr(request, name) is not None}
    moves = {name for name, usual in (("head_motion", 1.0), ("blink", True)) if getattr(request, name) != usual}
    if request.video is not None:
        what, wrong = "a film that is dubbed, as it is", asked & {"size", "camera", "strength"} | moves
    elif request.camera is not None:
        what, wrong = "a film made of a picture, as long as the speech", asked & {"extend"} | moves
    else:
        what, wrong = "a picture that talks", asked & {"extend", "strength"}
    if wrong:
        field = sorted(wrong)[0]
        raise InvalidRequest(f"{field} means nothing for {what}.", field=field, accepted=f"no {field}")


def one_of(request: VideoRequest | ClipRequest, *fields: str, required: bool) -> None:
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


def within(width: int, height: int, factor: float | None) -> None:
    """Raises `TooLarge` for a film that would be larger than any is made."""
    longer = max(width, height) * (factor or 1)
    if longer > LONGEST:
        raise TooLarge(
            f"The film would be {longer:.0f} pixels on its longer side.",
            code="video_too_large",
            field="upscale",
            accepted=f"at most {LONGEST} pixels: a smaller factor",
        )


def dubbing(models: Models, name: str | None) -> str:
    """The lip-sync backend for a film: the one that is named, or the first enabled one that works on films."""
    able = [each for each in models.enabled("lipsync") if models.dubs(each)]
    if name is None and able:
        return able[0]
    if name in able:
        return name
    missing = ", ".join(each for each in models.dubbing() if each not in able)
    raise InvalidRequest(
        f"The lip-sync backend {name!r} works on pictures, not on films."
        if name is not None
        else "None of the enabled lip-sync backends works on films.",
        code="no_dubbing",
        field="backends.lipsync",
        accepted=", ".join(able) or f"none as it is set up here; lipsync.backends may enable {missing}",
    )


def streamed(request: VideoRequest, models: Models) -> None:
    """Raises `InvalidRequest` for what is not made while it is watched: all but a portrait that talks, as mp4."""
    for field in ("video", "camera", "upscale", "webhook"):
        if getattr(request, field) is not None:
            raise InvalidRequest(
                f"A video with {field} is not streamed while it is made.",
                code="not_streamed",
                field=field,
                accepted=f"no {field}, or POST /api/v1/videos",
            )
    if request.format != "mp4":
        raise InvalidRequest(
            f"A {request.format} is not streamed while it is made.",
            code="not_streamed",
            field="format",
            accepted="mp4, or POST /api/v1/videos",
        )
    backend = models.choose("lipsync", request.backends.lipsync)
    if backend not in models.stretching():
        raise InvalidRequest(
            f"The lip-sync backend {backend!r} makes whole videos only, as it is set up here.",
            code="not_streamed",
            field="backends.lipsync",
            accepted=", ".join(models.stretching())
            or "none as it is set up here; lipsync.backends may enable meshwarp",
        )


def nothing_drawn(request: VideoRequest | ClipRequest, *pictured: str) -> None:
    """Raises `InvalidRequest` where it is said how to draw what is there already."""
    given = [field for field in pictured if getattr(request, field) is not None]
    asked = request.drawing.model_dump(exclude_none=True)
    if given and asked:
        raise InvalidRequest(
            f"With {given[0]}, nothing is drawn.", field=f"drawing.{next(iter(asked))}", accepted="drawing with prompt"
        )

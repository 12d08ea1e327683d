"""What may be asked of a lip-sync backend that films the square around a face."""

from __future__ import annotations

from typing import Final

from pipeline.contracts import AnimationRequest
from pipeline.errors import InvalidRequest

SIZES: Final = (128, 1536)


def check(request: AnimationRequest) -> None:
    """Raises `InvalidRequest` naming the field. Portrait and face are looked at where they are cut."""
    if not SIZES[0] <= request.size <= SIZES[1] or request.size % 2:
        raise InvalidRequest(f"size is {request.size}.", field="size", accepted="an even number from 128 to 1536")
    if request.fps <= 0:
        raise InvalidRequest(f"fps is {request.fps}.", field="fps", accepted="a positive frame rate")
    if request.seed < 0:
        raise InvalidRequest(f"seed is {request.seed}.", field="seed", accepted="0 or more")
    if not 0 <= request.head_motion <= 2:
        raise InvalidRequest(f"head_motion is {request.head_motion}.", field="head_motion", accepted="0 to 2")

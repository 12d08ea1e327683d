"""A stretch of a talking video, animated and encoded in one place: frames are large, packets are small."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.contracts import CodedStretch, Encoding, StretchRequest
from pipeline.media.stretches import coded
from pipeline.models import StretchingModel


def stretch(
    model: StretchingModel, request: StretchRequest, encoding: Encoding, *, in_order: bool = True
) -> Iterator[CodedStretch | int]:
    """Runs inside the lip-sync replica: how many frames are encoded, as they are, then the stretch.

    Closing the iterator stops the rendering. Raises what the model raises.
    """
    size = request.animation.size
    return coded(model.stretch(request), (size, size), request.animation.fps, encoding, in_order=in_order)

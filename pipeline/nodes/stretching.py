"""A stretch of a talking video, asked for with what is heard around it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from pipeline.contracts import HEARD_AFTER, HEARD_BEFORE, AnimationRequest, StretchRequest, frame_count, sample_at
from pipeline.nodes.sound import Sound
from pipeline.nodes.speech import check_length
from pipeline.settings import Limits


async def asked_for(
    portrait: AnimationRequest, sound: Sound, first: int, count: int, limits: Limits
) -> StretchRequest | None:
    """Frames `first` to `first + count` of this portrait, or as far as the sound goes, once that is known; None past
    its end. The speech of `portrait` is not looked at. Raises what `check_length` and `Sound.reach` raise."""
    rate, fps = sound.sample_rate, portrait.fps
    after = sample_at(first + count, rate, fps) + margin(HEARD_AFTER, fps, rate)
    await sound.reach(after)
    check_length(sound.length / rate, limits, field="text")
    if first and sample_at(first, rate, fps) >= sound.length:
        return None
    heard_from = max(0, first - int(HEARD_BEFORE * fps) - 1)
    animation = replace(portrait, speech=sound.cut(sample_at(heard_from, rate, fps), after))
    if sound.complete:
        count = min(count, frame_count(sound.length, rate, fps) - first)
    return StretchRequest(animation, heard_from, first, count)


def forget(portrait: AnimationRequest, sound: Sound, frame: int) -> None:
    """Lets go the sound that nothing from this frame on is asked for with."""
    rate = sound.sample_rate
    sound.forget(sample_at(frame, rate, portrait.fps) - margin(HEARD_BEFORE, portrait.fps, rate))


def margin(seconds: float, fps: Fraction, sample_rate: int) -> int:
    """Samples that cover so many seconds beside a frame, whatever rounding to frames and to samples adds."""
    return round((seconds + 2 / float(fps)) * sample_rate) + 1

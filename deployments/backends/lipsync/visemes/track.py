"""The mouth of a clip, frame by frame: from phoneme times where they are known, otherwise from the sound alone."""

from __future__ import annotations

from fractions import Fraction

from deployments.backends.lipsync.mouth import MouthTrack
from pipeline.contracts import Speech

from .coarticulation import articulate
from .loudness import decibels, loudness
from .network import listen


def mouth_track(speech: Speech, fps: Fraction, frame_count: int) -> MouthTrack:
    """(frame_count, 8) track of `speech`; frame i shows the mouth at (i + 1/2) / fps.

    The same speech gives the same track, whatever the gain of its samples. Raises nothing on odd input: an
    empty clip or silence is a mouth at rest, an unknown phoneme is read as its nearest relative.
    """
    if speech.phonemes is None:
        return listen(speech.samples, speech.sample_rate).track(fps, frame_count)
    loud = loudness(decibels(speech.samples, speech.sample_rate))
    return articulate(speech.phonemes, loud).track(fps, frame_count)

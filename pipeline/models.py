"""What the pipeline asks of a model, one small protocol per capability.

A backend (`deployments/backends/...`) implements exactly one of these, synchronously and without knowing
about Ray: it is built once per replica, then called from one thread at a time. Anything that takes long is
an iterator, so that progress shows, memory stays flat and abandoning the iterator (`close()`) stops the
work. Wrong input raises a `UserError`; anything else that is raised counts as the backend's failure.

The same request gives the same result, bit for bit, on the same machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from typing import Protocol, runtime_checkable

from pipeline.contracts import (
    AnimationRequest,
    Capability,
    CodedStretch,
    DubRequest,
    Encoding,
    EnlargeRequest,
    Face,
    Film,
    FilmFrame,
    Frames,
    MotionRequest,
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
)


@runtime_checkable
class VoiceModel(Protocol):
    """Says a text. Called by the `speak` step and the speech routes."""

    def voices(self) -> dict[str, tuple[str, ...]]:
        """Built-in voice name -> BCP 47 language tags it speaks, the default voice first."""
        ...

    def speak(self, request: SpeechRequest) -> Iterator[Speech]:
        """Sentences or clauses in order, all at one sample rate, pauses included: one `Speech` each, or several of a
        voice that is heard before a sentence is finished. Joined, they are what is said. All of them have phonemes, or
        none, and so with words: who hears the first does not wait for the last.

        Raises `UnknownName` for a language or voice that it does not have, listing those it has.
        """
        ...

    def tint(self, samples: Samples, sample_rate: int) -> VoiceTint:
        """Measures a reference clip. Raises `InvalidAudio` where there is no usable voice in it."""
        ...


@runtime_checkable
class CloningVoice(VoiceModel, Protocol):
    """A voice that speaks as a person does of whom it has heard a clip; its row in the registry says `clones`."""

    def condition(self, samples: Samples, sample_rate: int) -> VoiceConditioning:
        """What it keeps of a reference clip. Raises `InvalidAudio` where there is no usable voice in it."""
        ...


@runtime_checkable
class AvatarModel(Protocol):
    """Draws a portrait. Called by the `draw` step and the image routes."""

    def draw(self, request: PortraitRequest) -> Picture:
        """(size, size, 3) uint8 RGB with exactly one face that a `FaceModel` accepts; a backend that can't promise that
        says so in its row (`redrawn`).

        Raises `InvalidRequest` for an option of the request that it does not honour; those that it does are in its row.
        """
        ...


@runtime_checkable
class FaceModel(Protocol):
    """Finds the one face of a picture. Called by the `locate` step, once per portrait, and by the `track` step, for
    every frame of a film."""

    def locate(self, picture: Picture) -> Face:
        """Raises `UnusableFace`: no_face, several_faces, face_too_small, face_turned_away or face_cut_off."""
        ...


@runtime_checkable
class LipsyncModel(Protocol):
    """Makes a portrait talk. Called by the `animate` step."""

    def animate(self, request: AnimationRequest) -> Iterator[Frames]:
        """Exactly `request.frame_count` frames, in order, in chunks of about half a second."""
        ...


@runtime_checkable
class StretchingModel(LipsyncModel, Protocol):
    """A lip-sync model that makes any stretch of a video without the rest of it; its row in the registry says
    `stretches`. Called by the `stretch` step, for videos that are watched while they are made."""

    def stretch(self, request: StretchRequest) -> Iterator[Frames]:
        """Exactly `request.frame_count` frames, in order, in chunks: the very frames that the whole video has there."""
        ...


@runtime_checkable
class DubbingModel(LipsyncModel, Protocol):
    """A lip-sync model that works on films as well; its row in the registry says `dubs`. Called by the `dub` step."""

    def dub(self, frames: Iterator[FilmFrame], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """Exactly `speech.frame_count(fps)` frames, in order, in chunks, each made of the next of `frames`, which are
        as many and are taken no sooner than needed. One without a face stays as it is."""
        ...


@runtime_checkable
class MotionModel(Protocol):
    """Makes a film of a picture. Called by the `move` step."""

    def move(self, request: MotionRequest) -> Iterator[Frames]:
        """Exactly `request.frame_count` frames of `height` and `width`, in order, in chunks of about half a second.

        A backend that makes shorter clips than that chains them without a visible seam.
        """
        ...


@runtime_checkable
class UpscaleModel(Protocol):
    """Enlarges pictures. Called by the `enlarge` step for each frame of a film, and by the picture routes."""

    def upscale(self, request: UpscaleRequest) -> Picture:
        """(height, width, 3) uint8 RGB as the request says, whatever factor that is."""
        ...


@runtime_checkable
class TranscribeModel(Protocol):
    """Says what is spoken in a recording, and when. Called by the `transcribe` step and the transcription routes."""

    def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Words, and phonemes where it knows any, with their times. With `request.text`, its words as they are written
        there, however they were heard.

        Raises `InvalidAudio` where nobody speaks, `InvalidText` where the text can't be what is said, `UnknownName`
        for a language that it does not know, and `InvalidRequest` with code text_needed from a backend that does not
        recognise speech and is given no text.
        """
        ...


class Models(Protocol):
    """Every model there is, wherever it runs. The steps call it; a deployment handle stands behind it.

    `backend` is a name that `choose` returned. Errors are those of the model called.
    """

    def choose(self, capability: Capability, name: str | None) -> str:
        """The backend that a request means: `name` if it is enabled, the configured default for None.

        Raises `UnknownName`, listing the enabled ones.
        """
        ...

    def enabled(self, capability: Capability) -> tuple[str, ...]:
        """Backend names, the default first."""
        ...

    def fingerprint(self, capability: Capability, backend: str) -> str:
        """What its results depend on besides the request: the backend, its version, its options, its weights."""
        ...

    async def together(self, voice: str, lipsync: str) -> bool:
        """Whether these backends can be at work at the same time: not where they take turns on one card, and each would
        have to be loaded again and again for the other's sake."""
        ...

    async def voices(self, backend: str) -> dict[str, tuple[str, ...]]: ...

    def speak(self, backend: str, request: SpeechRequest) -> AsyncIterator[Speech]: ...

    async def tint(self, backend: str, samples: Samples, sample_rate: int) -> VoiceTint: ...

    def clones(self, backend: str) -> bool:
        """Whether a voice backend takes a `VoiceConditioning` (`condition`), and no tint."""
        ...

    async def condition(self, backend: str, samples: Samples, sample_rate: int) -> VoiceConditioning: ...

    async def draw(self, backend: str, request: PortraitRequest) -> Picture: ...

    def honours(self, backend: str) -> tuple[str, ...]:
        """Which of `DRAWING_OPTIONS` an avatar backend honours."""
        ...

    def redrawn(self, backend: str) -> bool:
        """Whether what an avatar backend draws may have no usable face, so that it is looked at, and drawn again."""
        ...

    async def locate(self, backend: str, picture: Picture) -> Face: ...

    def film(self, backend: str, request: AnimationRequest, encoding: Encoding) -> AsyncIterator[Film]:
        """Animates and encodes where the frames are made, so that only the small file travels."""
        ...

    def stretching(self) -> tuple[str, ...]:
        """Enabled lip-sync backends that make stretches of a video."""
        ...

    async def stretch(self, backend: str, request: StretchRequest, encoding: Encoding) -> CodedStretch:
        """Animates a stretch of a video and encodes it where the frames are made."""
        ...

    def passage(self, backend: str, request: StretchRequest, encoding: Encoding) -> AsyncIterator[CodedStretch | int]:
        """The same for a part of a film that is kept, with B-frames: how many frames are done, then the stretch."""
        ...

    def dubs(self, backend: str) -> bool:
        """Whether a lip-sync backend works on films."""
        ...

    def dubbing(self) -> tuple[str, ...]:
        """Every lip-sync backend there is that works on films, enabled or not."""
        ...

    def track(self, backend: str, request: TrackRequest) -> AsyncIterator[Tracked]:
        """Finds the face in every frame of a film where the frames are decoded."""
        ...

    def dub(self, backend: str, request: DubRequest, encoding: Encoding) -> AsyncIterator[Film]:
        """Has a film say something, decoded and encoded where the frames are made."""
        ...

    def move(self, backend: str, request: MotionRequest, encoding: Encoding) -> AsyncIterator[Film]:
        """Makes a film of a picture, without sound, encoded where the frames are made."""
        ...

    async def upscale(self, backend: str, request: UpscaleRequest) -> Picture: ...

    async def transcribe(self, backend: str, request: TranscriptionRequest) -> Transcript: ...

    def recognises(self, backend: str) -> bool:
        """Whether a transcribe backend writes down speech whose text nobody knows."""
        ...

    def enlarge(self, backend: str, request: EnlargeRequest) -> AsyncIterator[Film]:
        """Enlarges a film where the frames are made, so that only the small files travel."""
        ...

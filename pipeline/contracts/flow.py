"""What crosses between deployments: arrays and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts.speech import Phoneme, Samples, Speech, Word
from pipeline.contracts.words import Camera, Extension, VideoFormat

Picture = NDArray[np.uint8]
"""(height, width, 3) uint8 RGB."""


@dataclass(frozen=True, slots=True)
class VoiceTint:
    """What a reference clip tells about a voice without a neural model: a colour, not an identity.

    `envelope_db` is the mean log spectral envelope of voiced, active frames: (513,) float32 in dB at 16 kHz
    (1024-point FFT), with its own mean removed.
    """

    pitch_hz: float
    """Median fundamental frequency of voiced frames."""
    pitch_spread: float
    """Interquartile range of ln(f0)."""
    syllables_per_second: float
    """Syllable nuclei per second of speech, pauses left out."""
    envelope_db: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class VoiceConditioning:
    """What a voice model that clones keeps of a reference clip: only the backend that made it can read it.

    Computed once for each clip; a request with it needs the clip no more.
    """

    arrays: Mapping[str, NDArray[np.float32]]
    """By names and of shapes that are the backend's own."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What a voice backend is asked to say. `text` is normalised, not empty, and may be many sentences."""

    text: str
    language: str = "en"
    """BCP 47 tag, lower case."""
    voice: str | None = None
    """A built-in voice of the backend; None is its default for the language."""
    tint: VoiceTint | None = None
    speed: float = 1.0
    """1 is the voice's own pace, 2 is twice as fast; 0.25 to 4."""
    pitch: float = 0.0
    """Semitones up or down, -12 to 12."""
    final: bool = True
    """Whether nothing is said after it: the last pause is short then."""
    conditioning: VoiceConditioning | None = None
    """Whose voice a backend that clones speaks with; instead of `tint`, which is for those that do not."""


@dataclass(frozen=True, slots=True)
class PortraitRequest:
    """What an avatar backend is asked to draw: a `size` x `size` picture of one usable face."""

    prompt: str
    size: int = 512
    seed: int = 0
    negative_prompt: str | None = None
    style: str | None = None
    loras: Mapping[str, float] | None = None
    """Weights by name; none of them where it is empty."""
    steps: int | None = None
    guidance: float | None = None
    image: Picture | None = None
    """A picture to begin with, of any shape; its middle square is taken."""
    strength: float | None = None
    """How much of `image` is drawn anew, above 0 and up to 1."""

    def options(self) -> tuple[str, ...]:
        """Names of the fields that are set and that not every backend honours; None leaves a field to the backend."""
        return tuple(name for name in DRAWING_OPTIONS if getattr(self, name) is not None)


DRAWING_OPTIONS: Final = ("negative_prompt", "style", "loras", "steps", "guidance", "image", "strength")
"""Fields of `PortraitRequest` that a backend may honour or refuse."""


@dataclass(frozen=True, slots=True)
class RefusedDraw:
    """A picture that was drawn and not taken, and why: code and message of the `UnusableFace`."""

    seed: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class DrawnPortrait:
    """A portrait as a PNG file, the seed it was drawn with, and those before it that were refused."""

    png: bytes
    seed: int
    refused: tuple[RefusedDraw, ...] = ()


@dataclass(frozen=True, slots=True)
class Face:
    """The one face of a picture, in pixels of that picture."""

    landmarks: NDArray[np.float32]
    """(478, 3) MediaPipe face mesh with irises: x, y, and z in the same scale as x (towards the viewer < 0)."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 around the landmarks."""
    yaw: float
    pitch: float
    roll: float
    """Degrees; positive yaw looks to the picture's right, positive pitch up, positive roll clockwise."""
    quality: float
    """0 to 1: sharp, frontal, large and well lit is 1."""
    crop: tuple[int, int, int]
    """x, y, side of the square, inside the picture, that a talking portrait is best cut to."""


@dataclass(frozen=True, slots=True)
class AnimationRequest:
    """What a lip-sync backend is asked to do: make `face` in `portrait` say `speech`."""

    portrait: Picture
    face: Face
    speech: Speech
    size: int = 512
    """Side of the square frames made; even."""
    fps: Fraction = Fraction(25)
    seed: int = 0
    """Chooses blinks and head motion."""
    head_motion: float = 1.0
    """0 holds the head still, 1 is natural."""
    blink: bool = True
    portrait_digest: str = ""
    """Requests with the same one have the same portrait and face, so that neither has to be looked at to know; empty
    where that is not promised."""

    @property
    def frame_count(self) -> int:
        """Frames that cover the sound."""
        return self.speech.frame_count(self.fps)


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """A film whose face is wanted in every frame."""

    data: NDArray[np.uint8]
    """The bytes of its file."""
    fps: Fraction
    """Frames a second that it is looked at in."""
    max_frames: int
    """What it may have at most, whatever its header says."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A piece of news from a film being looked at: frames so far, and at the end where the face is in them."""

    frames: int
    meshes: NDArray[np.float32] | None = None
    """(frames, 478, 3): for each frame what `Face.landmarks` is for a picture, steadied over time; NaN where there is
    no usable face."""


@dataclass(frozen=True, slots=True)
class DubRequest:
    """A film whose face is to say `speech`. What is made is as long as the speech, and of the film's own size."""

    data: NDArray[np.uint8]
    """The bytes of its file."""
    meshes: NDArray[np.float32]
    """As in `Tracked`, at the same `fps`."""
    speech: Speech
    fps: Fraction
    """Frames a second, of what is made as well."""
    extend: Extension = "bounce"

    @property
    def frame_count(self) -> int:
        """Frames that cover the sound."""
        return self.speech.frame_count(self.fps)


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One frame of a film whose face is to say something."""

    picture: Picture
    """Height and width even."""
    mesh: NDArray[np.float32] | None
    """(478, 3), as `Face.landmarks`; None where there is no face."""


@dataclass(frozen=True, slots=True)
class MotionRequest:
    """What a motion backend is asked to do: make a film of `picture`, which fills the frames.

    Where the picture has another shape than the frames, as much of it as possible is shown, nothing is stretched.
    """

    picture: Picture
    frame_count: int
    """Frames to make, at least 1."""
    width: int
    height: int
    """Pixels of the frames, both even."""
    fps: Fraction = Fraction(25)
    camera: Camera = "zoom_in"
    strength: float = 1.0
    """How much moves: 0 is nothing, 1 is natural, 2 is the most. Of the camera, and of what is in the picture where
    the backend can move that."""
    focus: tuple[float, float] = (0.5, 0.5)
    """Where in the picture its subject is, as fractions of its width and height: what the camera keeps in view."""
    seed: int = 0
    """Chooses what is not said otherwise, where there is anything to choose."""


@dataclass(frozen=True, slots=True)
class Frames:
    """A run of video frames. `planes` is (n, height * 3 // 2, width) uint8, I420; `first` is its first index."""

    first: int
    planes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoding:
    """How frames become a file. `preset` and `crf` are x264's and count for mp4 only."""

    format: VideoFormat = "mp4"
    preset: str = "veryfast"
    crf: int = 20
    even: bool = False
    """Whether no frame is worse than another because few follow that are made of it: for stretches so short that
    their last frames would be, which is seen as a pulse."""


@dataclass(frozen=True, slots=True)
class UpscaleRequest:
    """What an upscale backend is asked to do: show `picture` in so many pixels, no fewer than it has."""

    picture: Picture
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class EnlargeRequest:
    """A film to show in so many pixels."""

    data: NDArray[np.uint8]
    """The bytes of its file; a film is small, its frames are not."""
    width: int
    height: int
    """Both even."""
    max_frames: int
    """What it may have at most, whatever its header says."""
    encoding: Encoding = Encoding()


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What a transcribe backend is asked to do: say what is spoken in a recording, and when."""

    samples: Samples
    sample_rate: int
    text: str | None = None
    """What is said, normalised, where that is known: its words are only found in time then."""
    language: str | None = None
    """BCP 47 tag, lower case. None: a backend that recognises speech finds out, another takes English."""
    prompt: str | None = None
    """Words and spellings to expect; backends that align have no use for it."""
    temperature: float = 0.0
    """0 to 1: 0 takes the likeliest words, more draws from the likely ones."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What is spoken, and when."""

    text: str
    language: str
    """Lower case: the tag that was asked for, or that of the language that was heard."""
    words: tuple[Word, ...]
    """In order without overlap; together they are `text`."""
    phonemes: tuple[Phoneme, ...] | None
    """Cover the recording in order without overlap; None where unknown."""
    confidence: float
    """0 to 1: how well text and recording go together. At 0, another text would fit as well."""
    no_speech: float = 0.0
    """0 to 1: how likely it is that nobody speaks at all, where a backend has an opinion."""


@dataclass(frozen=True, slots=True)
class Film:
    """A piece of news from a film being made: frames encoded so far, then the file itself in pieces."""

    frames: int
    data: bytes = b""
    timings: dict[str, float] | None = None
    """Wall seconds by stage, in the last piece only."""

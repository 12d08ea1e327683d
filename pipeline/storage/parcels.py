"""What steps hand each other, as the bytes of artifacts: speech, portraits, tints, conditionings, pictures, meshes.

NumPy's .npz without compression and without dates: the same value gives the same bytes. Reading what is not such a
file raises `ValueError`; that it is the file that was stored is the store's to know.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Face, Phoneme, Picture, Speech, Transcript, VoiceConditioning, VoiceTint, Word


@dataclass(frozen=True, slots=True)
class Portrait:
    """A square picture of one face, and that face in the square's pixels."""

    picture: Picture
    face: Face


def pack_speech(speech: Speech) -> bytes:
    phonemes = speech.phonemes
    words = {
        "sample_rate": speech.sample_rate,
        "language": speech.language,
        "phonemes": None if phonemes is None else [phoneme.ipa for phoneme in phonemes],
        "words": None if speech.words is None else [_written(word) for word in speech.words],
    }
    times = np.array([(p.start, p.end) for p in phonemes or ()], np.float64).reshape(-1, 2)
    return _pack(words=_text(words), samples=speech.samples.astype(np.float32, copy=False), times=times)


def unpack_speech(data: bytes) -> Speech:
    arrays = _unpack(data, "words", "samples", "times")
    words = _words(arrays["words"])
    names = words["phonemes"]
    phonemes = None
    if names is not None:
        times = arrays["times"].tolist()
        phonemes = tuple(Phoneme(start, end, ipa) for (start, end), ipa in zip(times, names, strict=True))
    written = words.get("words")  # an earlier version kept none
    spoken = None if written is None else tuple(Word(*word) for word in written)
    return Speech(arrays["samples"], words["sample_rate"], phonemes, words["language"], spoken)


def pack_transcript(transcript: Transcript) -> bytes:
    """JSON, unlike the other parcels: nothing in it is large."""
    phonemes = transcript.phonemes
    fields = {
        "text": transcript.text,
        "language": transcript.language,
        "words": [_written(word) for word in transcript.words],
        "phonemes": None if phonemes is None else [[phoneme.start, phoneme.end, phoneme.ipa] for phoneme in phonemes],
        "confidence": transcript.confidence,
        "no_speech": transcript.no_speech,
    }
    return _text(fields).tobytes()


def unpack_transcript(data: bytes) -> Transcript:
    try:
        fields = json.loads(data)
        phonemes = fields.pop("phonemes")
        words = tuple(Word(*word) for word in fields.pop("words"))
        sounds = None if phonemes is None else tuple(Phoneme(*phoneme) for phoneme in phonemes)
        return Transcript(words=words, phonemes=sounds, **fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a parcel of a transcript: {error}") from error


def pack_tint(tint: VoiceTint) -> bytes:
    scalars = np.array([tint.pitch_hz, tint.pitch_spread, tint.syllables_per_second], np.float64)
    return _pack(scalars=scalars, envelope_db=tint.envelope_db.astype(np.float32, copy=False))


def unpack_tint(data: bytes) -> VoiceTint:
    arrays = _unpack(data, "scalars", "envelope_db")
    pitch, spread, pace = arrays["scalars"].tolist()
    return VoiceTint(pitch, spread, pace, arrays["envelope_db"])


def pack_conditioning(conditioning: VoiceConditioning) -> bytes:
    return _pack(
        **{name: conditioning.arrays[name].astype(np.float32, copy=False) for name in sorted(conditioning.arrays)}
    )


def unpack_conditioning(data: bytes) -> VoiceConditioning:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (KeyError, OSError, EOFError) as error:
        raise ValueError(f"not a parcel of a conditioning: {error}") from error
    if not arrays or any(array.dtype != np.float32 or not np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("not a conditioning")
    return VoiceConditioning(arrays)


def pack_picture(picture: Picture) -> bytes:
    return _pack(picture=np.ascontiguousarray(picture))


def unpack_picture(data: bytes) -> Picture:
    return _unpack(data, "picture")["picture"]


def pack_portrait(portrait: Portrait) -> bytes:
    face = portrait.face
    return _pack(
        picture=np.ascontiguousarray(portrait.picture),
        landmarks=face.landmarks.astype(np.float32, copy=False),
        box=np.array(face.box, np.float64),
        pose=np.array([face.yaw, face.pitch, face.roll, face.quality], np.float64),
        crop=np.array(face.crop, np.int64),
    )


def unpack_portrait(data: bytes) -> Portrait:
    arrays = _unpack(data, "picture", "landmarks", "box", "pose", "crop")
    x0, y0, x1, y1 = arrays["box"].tolist()
    yaw, pitch, roll, quality = arrays["pose"].tolist()
    x, y, side = arrays["crop"].tolist()
    face = Face(arrays["landmarks"], (x0, y0, x1, y1), yaw, pitch, roll, quality, (x, y, side))
    return Portrait(arrays["picture"], face)


def pack_meshes(meshes: NDArray[np.float32]) -> bytes:
    """(n, 478, 3), as in `Tracked`."""
    return _pack(meshes=meshes)


def unpack_meshes(data: bytes) -> NDArray[np.float32]:
    return _unpack(data, "meshes")["meshes"]


def _pack(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpack(data: bytes, *names: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (KeyError, OSError, EOFError) as error:
        raise ValueError(f"not a parcel of {', '.join(names)}: {error}") from error


def _written(word: Word) -> list[float | str]:
    return [word.start, word.end, word.text, word.confidence]


def _text(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value, ensure_ascii=False, sort_keys=True).encode(), np.uint8)


def _words(array: NDArray[np.uint8]) -> Any:
    return json.loads(array.tobytes())

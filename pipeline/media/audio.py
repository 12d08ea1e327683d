"""Sound in and out: the only place that decodes or encodes audio files."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from pipeline.contracts import AudioFormat, Samples
from pipeline.errors import InvalidAudio, TooLarge
from pipeline.media import sniff
from pipeline.media.resampler import Resampler

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

ACCEPTED: Final = "a WAV, FLAC, MP3, Ogg (Vorbis or Opus), M4A, AAC, AIFF or WebM recording"
RATES: Final = (4_000, 384_000)
"""Samples a second that a recording may have."""
MAX_CHANNELS: Final = 32
DAMAGED_PACKETS: Final = 0.1
"""The share of undecodable packets up to which a damaged recording is still taken; they are left out."""

# Kind -> the one demuxer it is opened with. Never guessed by FFmpeg: some of its demuxers (playlists, concat)
# open other files and addresses.
_DEMUXERS: Final = {
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "video/ogg": "ogg",
    "audio/mp4": "mov",
    "video/mp4": "mov",
    "video/3gpp": "mov",
    "video/quicktime": "mov",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/x-caf": "caf",
    "audio/x-w64": "w64",
    "audio/basic": "au",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
}

CONTENT_TYPES: Final[dict[AudioFormat, str]] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "pcm": "audio/pcm",
}
"""What `encode_audio` makes, as an HTTP Content-Type. pcm is bare 16-bit little-endian mono at PCM_RATE."""
PCM_RATE: Final = 24_000

# Format -> muxer, encoder, its sample format, bits a second, rates that it takes.
_ENCODERS: Final[dict[str, tuple[str, str, str, int, tuple[int, ...]]]] = {
    "flac": ("flac", "flac", "s16", 0, ()),
    "mp3": ("mp3", "libmp3lame", "s16p", 128_000, (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "opus": ("ogg", "libopus", "s16", 64_000, (48000,)),
    "aac": (
        "adts",
        "aac",
        "fltp",
        128_000,
        (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
    ),
}

# A sink that can't be sought in gets no index and no tag, and an Ogg page for every 0.2 s instead of every 1 s.
_MUXER_OPTIONS: Final = {"mp3": {"write_xing": "0", "id3v2_version": "0"}, "ogg": {"page_duration": "200000"}}


def decode_audio(
    data: bytes, *, field: str = "audio", max_seconds: float = 3600.0, max_samples: int | None = None
) -> tuple[Samples, int]:
    """Any common recording as (n,) float32 mono in [-1, 1] at its own rate, and that rate.

    Channels are averaged; values past full scale are clipped. Of a film, the first sound track counts. A file
    whose header promises more than there is gives what is there, as long as that decodes: recorders that were
    stopped hard and streams of unknown length write such headers. Decoding stops as soon as the limit is
    passed, whatever the file claims, so memory stays within `max_seconds` of sound and within `max_samples`. None is
    those of an hour at 48 kHz, or of `max_seconds` where that is more: an hour of silence at 384 kHz is some 300 kB
    of FLAC and 5.5 GB of samples.

    Raises `InvalidAudio` with code empty, not_audio, corrupt_audio (starts like audio, but can't be read),
    unsupported_audio (no decoder), no_sound_track, no_samples, bad_sample_rate, bad_channels or non_finite (NaN
    or infinity), and `TooLarge` with code audio_too_long.
    """
    if not data:
        raise InvalidAudio("The recording is empty: 0 bytes.", code="empty", field=field, accepted=ACCEPTED)
    found = sniff.kind(data)
    if found not in _DEMUXERS:
        raise InvalidAudio(
            f"Not a recording: {found or 'unknown bytes'}.", code="not_audio", field=field, accepted=ACCEPTED
        )
    import av

    most = int(max(max_seconds, 3600) * 48_000) if max_samples is None else max_samples
    try:
        with av.open(io.BytesIO(data), "r", format=_DEMUXERS[found], metadata_errors="replace") as container:
            samples, rate = _decoded(container, field, max_seconds, most)
    except (av.error.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise _corrupt(f"{found} that can't be read ({getattr(error, 'strerror', None) or error})", field) from error
    if not len(samples):
        raise InvalidAudio("The recording holds no samples.", code="no_samples", field=field, accepted=ACCEPTED)
    if not np.isfinite(samples).all():
        raise InvalidAudio(
            "The recording holds NaN or infinity.", code="non_finite", field=field, accepted="finite sample values"
        )
    return np.clip(samples, -1, 1, out=samples), rate


def _decoded(container: InputContainer, field: str, max_seconds: float, max_samples: int) -> tuple[Samples, int]:
    import av

    if not container.streams.audio:
        raise InvalidAudio("The file has no sound track.", code="no_sound_track", field=field, accepted=ACCEPTED)
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise InvalidAudio(
            "The sound is of a kind that is not decoded here.", code="unsupported_audio", field=field, accepted=ACCEPTED
        )
    stream.codec_context.thread_type = "NONE"
    rate = 0
    limit = 0
    parts: list[Samples] = []
    total = packets = damaged = 0
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            continue
        for frame in frames:
            if not rate:
                rate = _checked_rate(frame, field)
                limit = min(int(max_seconds * rate) + 1, max_samples)
            elif frame.sample_rate != rate:
                raise _corrupt(f"its sample rate changes from {rate} to {frame.sample_rate} on the way", field)
            part = _mono(frame)
            parts.append(part)
            total += len(part)
            if total > limit:
                many = limit == max_samples
                longest = f"{limit / rate if many else max_seconds:g} seconds"
                raise TooLarge(
                    f"The recording is longer than {longest}.",
                    code="audio_too_long",
                    field=field,
                    accepted=f"at most {longest}" + (f" at {rate} samples a second" if many else ""),
                )
            if len(parts) >= 4096:
                # Files may hold one sample a frame: many small arrays cost far more than what they hold.
                parts = [np.concatenate(parts)]
    if damaged > max(1, DAMAGED_PACKETS * packets) or (damaged and not parts):
        raise _corrupt(f"{damaged} of its {packets} packets are damaged", field)
    return (np.concatenate(parts) if parts else np.zeros(0, np.float32)), rate


def _checked_rate(frame: AudioFrame, field: str) -> int:
    rate, channels = frame.sample_rate, frame.layout.nb_channels
    if not RATES[0] <= rate <= RATES[1]:
        raise InvalidAudio(
            f"The recording has {rate} samples a second.",
            code="bad_sample_rate",
            field=field,
            accepted=f"{RATES[0]} to {RATES[1]} samples a second",
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidAudio(
            f"The recording has {channels} channels.",
            code="bad_channels",
            field=field,
            accepted=f"1 to {MAX_CHANNELS} channels",
        )
    return rate


def _corrupt(reason: str, field: str) -> InvalidAudio:
    return InvalidAudio(f"The recording is damaged: {reason}.", code="corrupt_audio", field=field, accepted=ACCEPTED)


def _mono(frame: AudioFrame) -> Samples:
    """The mean of the channels of one decoded frame, scaled by its sample format to [-1, 1]."""
    channels = frame.layout.nb_channels
    if frame.format.name == "s64":  # which PyAV does not turn into an array
        values = np.frombuffer(bytes(frame.planes[0]), np.int64, frame.samples * channels)
    else:
        values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype.kind == "f":
        mixed = values.mean(axis=0, dtype=np.float64)
    elif values.dtype == np.uint8:
        mixed = values.mean(axis=0, dtype=np.float64) / 128 - 1
    else:
        mixed = values.mean(axis=0, dtype=np.float64) / 2.0 ** (8 * values.dtype.itemsize - 1)
    with np.errstate(over="ignore"):
        return mixed.astype(np.float32)


def resample(samples: Samples, rate: int, target: int) -> Samples:
    """`samples` at `target` samples a second: round(n * target / rate) of them, aligned, float32.

    By FFmpeg's polyphase resampler with 64 taps; a sine at half the lower Nyquist comes out within -80 dB.
    """
    if rate == target or not len(samples):
        return samples
    resampler = Resampler(rate, target)
    made = np.concatenate([resampler.feed(samples), resampler.finish()])
    return _fitted(made, round(len(samples) * target / rate))


def _fitted(samples: Samples, count: int) -> Samples:
    return samples[:count] if len(samples) >= count else np.pad(samples, (0, count - len(samples)))


def check_speech(samples: Samples, rate: int, field: str = "audio") -> None:
    """Refuses sound that no mouth can follow.

    Raises `InvalidAudio` with code empty, too_short (under 0.1 s), non_finite, silent (the loudest 20 ms are
    under -55 dBFS) or clipped (a fifth of the loud samples stick at the limit, as in a square wave).
    """
    if not len(samples):
        raise InvalidAudio("The recording holds no samples.", code="empty", field=field, accepted="speech")
    if len(samples) < 0.1 * rate:
        raise InvalidAudio(
            f"The recording is {len(samples) / rate:.3f} seconds long.",
            code="too_short",
            field=field,
            accepted="at least 0.1 seconds",
        )
    if not np.isfinite(samples).all():
        raise InvalidAudio(
            "The recording holds NaN or infinity.", code="non_finite", field=field, accepted="finite sample values"
        )
    width = max(1, rate // 50)
    whole = len(samples) // width * width
    power = np.square(samples[:whole].reshape(-1, width), dtype=np.float32).mean(axis=1)
    loudest = 10 * np.log10(float(power.max()) + 1e-12)
    if loudest < -55:
        raise InvalidAudio(
            f"The recording is silent: its loudest moment is at {loudest:.0f} dBFS.",
            code="silent",
            field=field,
            accepted="speech louder than -55 dBFS",
        )
    loud = np.abs(samples[:whole]).reshape(-1, width)[power > power.max() / 100]
    stuck = float((loud >= 0.985).mean())
    if stuck > 0.2:
        raise InvalidAudio(
            f"The recording is clipped: {stuck:.0%} of it sticks at full scale.",
            code="clipped",
            field=field,
            accepted="speech recorded below full scale",
        )


def encode_audio(
    chunks: Iterable[Samples], rate: int, format: AudioFormat, *, count: int | None = None
) -> Iterator[bytes]:
    """An audio file of `chunks`, (n,) float32 mono at `rate`, yielded in pieces as they are made.

    wav, flac and aac keep `rate` where the format has it (else the next one up), mp3 too up to 48 kHz, opus is
    always 48 kHz and pcm is always PCM_RATE. wav is 16-bit; `count`, the number of samples to come, makes its
    header exact, and without it the header says "until the end" (0xFFFFFFFF), as streams do. Values past full
    scale are clipped. mp3 and aac streams begin with the encoder's delay (about 0.05 s of silence): only files
    that can be sought in have a place to note it. The same sound gives the same bytes however it is cut into chunks.

    Raises `InvalidAudio` with code non_finite for NaN or infinity.
    """
    if format == "wav":
        yield _wav_header(rate, count)
        for chunk in chunks:
            yield _sixteen(chunk).tobytes()
    elif format == "pcm":
        resampler = Resampler(rate, PCM_RATE)
        for chunk in chunks:
            yield _sixteen(resampler.feed(_finite(chunk))).tobytes()
        yield _sixteen(resampler.finish()).tobytes()
    else:
        yield from _encoded(chunks, rate, format)


def _finite(chunk: Samples) -> Samples:
    if not np.isfinite(chunk).all():
        raise InvalidAudio("The sound holds NaN or infinity.", code="non_finite", accepted="finite sample values")
    return chunk


def _sixteen(chunk: Samples) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.round(np.clip(_finite(chunk), -1, 1) * 32767).astype("<i2")


def _wav_header(rate: int, count: int | None) -> bytes:
    size = 0xFFFFFFFF if count is None or count * 2 + 36 > 0xFFFFFFFF else count * 2
    whole = 0xFFFFFFFF if size == 0xFFFFFFFF else size + 36
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", whole, b"WAVE") + form + struct.pack("<4sI", b"data", size)


class _Pipe:
    """The file that a muxer writes to: it can't be sought in, and what was written is taken out."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _encoded(chunks: Iterable[Samples], rate: int, format: AudioFormat) -> Iterator[bytes]:
    import av

    muxer, codec, samples, bits, rates = _ENCODERS[format]
    target = rate if not rates or rate in rates else next((r for r in rates if r >= rate), rates[-1])
    resampler = Resampler(rate, target)
    pipe = _Pipe()
    options = {"fflags": "+bitexact+flush_packets", **_MUXER_OPTIONS.get(muxer, {})}
    with av.open(pipe, "w", format=muxer, container_options=options) as container:
        stream = cast("AudioStream", container.add_stream(codec, rate=target, layout="mono"))
        if bits:
            stream.bit_rate = bits
        context = stream.codec_context
        context.format = av.AudioFormat(samples)
        context.flags |= av.codec.context.Flags.bitexact
        context.open()
        feed = _frames(context.frame_size or 4096, target, samples)
        for chunk in chunks:
            for frame in feed(resampler.feed(_finite(chunk)), False):
                container.mux(stream.encode(frame))
            if data := pipe.take():
                yield data
        for frame in feed(resampler.finish(), True):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    yield pipe.take()


def _frames(size: int, rate: int, format: str) -> Callable[[Samples, bool], Iterator[AudioFrame]]:
    """A cutter of sound into encoder frames of exactly `size`; the last call gives the shorter rest."""
    import av

    held = np.zeros(0, np.float32)
    given = 0

    def feed(samples: Samples, last: bool) -> Iterator[AudioFrame]:
        nonlocal held, given
        held = np.concatenate([held, samples])
        while len(held) >= size or (last and len(held)):
            part, held = held[:size], held[size:]
            values = np.clip(part, -1, 1) if format.startswith("flt") else _sixteen(part)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(values[None, :]), format, "mono")
            frame.sample_rate = rate
            frame.pts = given
            given += len(part)
            yield frame

    return feed

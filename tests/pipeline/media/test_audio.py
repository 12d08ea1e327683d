from __future__ import annotations

import io
import struct
import tracemalloc
import wave
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from pipeline.contracts import AudioFormat, Samples
from pipeline.errors import InvalidAudio, TooLarge
from pipeline.media.audio import (
    CONTENT_TYPES,
    PCM_RATE,
    check_speech,
    decode_audio,
    encode_audio,
    resample,
)
from pipeline.media.sniff import kind


def tone(rate: int, seconds: float = 0.5, hertz: float = 300) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def written(samples: np.ndarray, rate: int, format: str = "WAV", subtype: str = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=format, subtype=subtype)
    return out.getvalue()


def muxed(format: str, codec: str, rate: int = 48000, seconds: float = 0.5) -> bytes:
    """Stereo, as FFmpeg writes it."""
    out = io.BytesIO()
    with av.open(out, "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="stereo")
        resampler = av.AudioResampler(stream.format, "stereo", rate, stream.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(np.stack([tone(rate, seconds)] * 2), "fltp", "stereo")
        frame.sample_rate, frame.pts = rate, 0
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return out.getvalue()


def refused(data: bytes, code: str) -> None:
    with pytest.raises(InvalidAudio) as caught:
        decode_audio(data, field="voice_clip", max_seconds=60)
    assert caught.value.code == code
    assert caught.value.field == "voice_clip"
    assert caught.value.accepted


def error_of(made: Samples, wanted: Samples) -> float:
    """RMS of the difference, relative, leaving out both ends, where filters and codecs start and stop."""
    count = min(len(made), len(wanted))
    edge = count // 10
    made, wanted = made[edge : count - edge], wanted[edge : count - edge]
    return float(np.sqrt(np.mean((made - wanted) ** 2) / np.mean(wanted**2)))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("channels", [1, 2])
def test_wav_of_every_width(subtype: str, channels: int) -> None:
    sound = tone(16000)
    samples, rate = decode_audio(written(np.stack([sound] * channels, axis=1), 16000, subtype=subtype))
    assert rate == 16000
    assert samples.dtype == np.float32
    assert samples.shape == sound.shape
    assert error_of(samples, sound) < {"PCM_U8": 0.02, "ULAW": 0.03, "ALAW": 0.04}.get(subtype, 1e-4)


def test_wav_of_64_bits() -> None:
    sound = tone(8000)
    data = (sound.astype(np.float64) * 2**63).astype("<i8").tobytes()
    form = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, 8000, 64000, 8, 64,
                       b"data", len(data))  # fmt: skip
    samples, rate = decode_audio(form + data)
    assert rate == 8000
    assert error_of(samples, sound) < 1e-6


@pytest.mark.parametrize(
    ("format", "subtype", "error"),
    [
        ("WAVEX", "PCM_24", 1e-4),
        ("RF64", "PCM_16", 1e-4),
        ("W64", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("FLAC", "PCM_24", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("AIFF", "FLOAT", 1e-4),
        ("CAF", "PCM_16", 1e-4),
        ("AU", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.05),
        ("OGG", "OPUS", 0.05),
        ("MP3", "MPEG_LAYER_III", 0.05),
    ],
)
def test_every_format(format: str, subtype: str, error: float) -> None:
    sound = tone(48000)
    samples, rate = decode_audio(written(sound, 48000, format, subtype))
    assert rate == 48000
    assert abs(len(samples) - len(sound)) < 2000
    assert error_of(samples, sound) < error


@pytest.mark.parametrize(
    ("format", "codec"),
    [("mp4", "aac"), ("ipod", "aac"), ("adts", "aac"), ("mov", "alac"), ("webm", "libopus"), ("matroska", "flac")],
)
def test_every_container(format: str, codec: str) -> None:
    samples, rate = decode_audio(muxed(format, codec))
    assert rate == 48000
    assert abs(len(samples) / rate - 0.5) < 0.05
    spectrum = np.abs(np.fft.rfft(samples[4800:-4800] * np.hanning(len(samples) - 9600)))
    assert np.argmax(spectrum) * rate / (len(samples) - 9600) == pytest.approx(300, abs=4)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 48000, 96000, 192000, 384000])
def test_rates(rate: int) -> None:
    samples, found = decode_audio(written(tone(rate, 0.1), rate))
    assert (found, len(samples)) == (rate, round(rate * 0.1))


def test_channels_are_averaged() -> None:
    left, right = tone(8000), tone(8000, hertz=500)
    samples, _ = decode_audio(written(np.stack([left, right], axis=1), 8000, subtype="FLOAT"))
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-6)
    samples, _ = decode_audio(written(np.stack([left] * 32, axis=1), 8000, subtype="FLOAT"))
    np.testing.assert_allclose(samples, left, atol=1e-6)


def test_past_full_scale_is_clipped() -> None:
    samples, _ = decode_audio(written(tone(8000) * 5, 8000, subtype="FLOAT"))
    assert (samples.min(), samples.max()) == (-1, 1)


@pytest.mark.parametrize(
    ("claim", "count"), [(0xFFFFFFFF, 8000), (0x7FFFFFFF, 8000), (0, 8000), (1000, 500), (15_999, 7999)]
)
def test_a_header_that_lies_about_the_length(claim: int, count: int) -> None:
    data = bytearray(written(tone(16000), 16000))
    data[40:44] = struct.pack("<I", claim)
    assert len(decode_audio(bytes(data))[0]) == count


def test_a_recording_cut_short_gives_what_is_there() -> None:
    for data in (
        written(tone(16000), 16000),
        written(tone(48000), 48000, "MP3", "MPEG_LAYER_III"),
        muxed("adts", "aac"),
    ):
        samples, rate = decode_audio(data[: len(data) // 2])
        assert 0.1 < len(samples) / rate < 0.35


@pytest.mark.parametrize("length", [12, 20, 30, 43])
def test_a_header_cut_short(length: int) -> None:
    refused(written(tone(16000), 16000)[:length], "corrupt_audio")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"hello, world" * 100, "not_audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_audio"),
        (bytes(5000), "not_audio"),
        (b"#EXTM3U\nfile:///etc/hostname\n", "not_audio"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not_audio"),
        (b"\xff\xfb\x90\x00" + np.random.default_rng(0).bytes(5000), "corrupt_audio"),
        (b"\xff\xf1\x50\x80" + np.random.default_rng(0).bytes(5000), "corrupt_audio"),
        (written(tone(16000), 16000)[:44], "no_samples"),
        (muxed("mp4", "aac")[:2000], "corrupt_audio"),
        (written(tone(1000), 1000), "bad_sample_rate"),
        (written(tone(500_000, 0.01), 500_000), "bad_sample_rate"),
        (written(np.zeros((100, 40)), 8000), "bad_channels"),
        (written(np.array([0, np.nan, 0]), 8000, subtype="FLOAT"), "non_finite"),
        (written(np.array([0, np.inf, 0]), 8000, subtype="DOUBLE"), "non_finite"),
        (written(np.array([0, 1e300, 0]), 8000, subtype="DOUBLE"), "non_finite"),
    ],
    ids=lambda given: given if isinstance(given, str) else given[:8].hex(),  # some of the files hold the time of day
)
def test_refused(data: bytes, code: str) -> None:
    refused(data, code)


def test_a_film_without_sound() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    refused(out.getvalue(), "no_sound_track")


def test_too_long() -> None:
    data = written(np.zeros(16000), 16000, "FLAC")
    assert len(decode_audio(data, max_seconds=1)[0]) == 16000
    with pytest.raises(TooLarge) as caught:
        decode_audio(data, field="audio", max_seconds=0.9)
    assert caught.value.code == "audio_too_long"
    assert caught.value.accepted == "at most 0.9 seconds"


def test_many_samples_a_second_make_it_shorter() -> None:
    data = written(np.zeros(192_000), 192_000, "FLAC")
    assert len(decode_audio(data, max_samples=192_000)[0]) == 192_000
    with pytest.raises(TooLarge) as caught:
        decode_audio(data, max_samples=96_000)
    assert caught.value.code == "audio_too_long"
    assert caught.value.accepted == "at most 0.5 seconds at 192000 samples a second"


def test_an_hour_in_a_few_bytes_is_not_unpacked() -> None:
    data = written(np.zeros(8000 * 3600, np.int16), 8000, "FLAC")
    assert len(data) < 200_000
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decode_audio(data, max_seconds=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_damaged_bytes_decode_or_are_refused() -> None:
    chance = np.random.default_rng(2)
    files = [
        written(tone(16000, 0.1), 16000),
        written(tone(16000, 0.1), 16000, subtype="IMA_ADPCM"),
        written(tone(16000, 0.1), 16000, "FLAC"),
        written(tone(16000, 0.1), 16000, "OGG", "VORBIS"),
        written(tone(16000, 0.1), 16000, "CAF"),
        *(
            muxed(format, codec, seconds=0.1)
            for format, codec in (("mp4", "aac"), ("webm", "libopus"), ("mov", "alac"))
        ),
    ]
    outcomes = set()
    for data in files:
        for _ in range(30):
            broken = bytearray(data)
            for at in chance.integers(0, min(len(data), 300), 6):
                broken[at] = chance.integers(256)
            try:
                samples, _ = decode_audio(bytes(broken), max_seconds=10)
                assert len(samples)
                assert np.abs(samples).max() <= 1
                outcomes.add("ok")
            except (InvalidAudio, TooLarge) as error:
                outcomes.add(error.code)
    assert {"ok", "corrupt_audio", "not_audio"} <= outcomes


@pytest.mark.parametrize(("rate", "target"), [(22050, 48000), (48000, 22050), (16000, 44100), (44100, 16000)])
def test_resample(rate: int, target: int) -> None:
    made = resample(tone(rate, 1.0, 1000), rate, target)
    assert made.dtype == np.float32
    assert len(made) == target
    assert error_of(made, tone(target, 1.0, 1000)) < 1e-3


def test_resample_leaves_nothing_above_the_new_limit() -> None:
    made = resample(tone(48000, 1.0, 11000), 48000, 16000)
    assert np.abs(made[1000:-1000]).max() < 1e-3


def test_resample_of_little() -> None:
    assert len(resample(np.zeros(0, np.float32), 16000, 48000)) == 0
    assert len(resample(np.ones(1, np.float32), 16000, 48000)) == 3
    sound = tone(16000)
    assert resample(sound, 16000, 16000) is sound


def speech(rate: int = 16000) -> Samples:
    """Bursts of gliding harmonics with pauses, peaking at 0.6."""
    at = np.arange(rate) / rate
    voiced = sum(np.sin(2 * np.pi * k * (100 * at + 60 * at**2)) / k for k in range(1, 12))
    shaped = voiced * np.clip(np.sin(2 * np.pi * 3 * at), 0, 1) ** 0.5
    return (0.6 * shaped / np.abs(shaped).max()).astype(np.float32)


def test_speech_is_accepted() -> None:
    check_speech(speech(), 16000)
    check_speech(speech() * 0.01, 16000)
    check_speech(speech() / 0.6, 16000)
    check_speech(np.clip(speech() * 2.5, -1, 1), 16000)  # recorded too loud, still speech


@pytest.mark.parametrize(
    ("samples", "code"),
    [
        (np.zeros(0, np.float32), "empty"),
        (speech()[:1599], "too_short"),
        (np.zeros(16000, np.float32), "silent"),
        (speech() * 0.001, "silent"),
        (np.sign(speech()), "clipped"),
        (np.clip(speech() * 30, -1, 1), "clipped"),
        (np.full(16000, np.nan, np.float32), "non_finite"),
    ],
)
def test_no_speech(samples: Samples, code: str) -> None:
    with pytest.raises(InvalidAudio) as caught:
        check_speech(samples, 16000, "audio")
    assert caught.value.code == code
    assert caught.value.field == "audio"


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "opus", "aac"])
@pytest.mark.parametrize("rate", [22050, 24000, 48000])
def test_what_is_encoded_decodes_to_the_same_sound(format: AudioFormat, rate: int) -> None:
    sound = speech(rate)
    samples, found = decode_audio(b"".join(encode_audio([sound], rate, format)))
    assert found == (48000 if format == "opus" else rate)
    wanted = resample(sound, rate, found)
    # Streams of mp3 and aac begin with the encoder's delay.
    lag = min(range(3000), key=lambda shift: float(np.square(samples[shift + 2000 :][:4000] - wanted[2000:6000]).sum()))
    assert lag == 0 if format in ("wav", "flac", "opus") else 0 < lag < 2500
    assert error_of(samples[lag:], wanted) < (1e-4 if format in ("wav", "flac") else 0.15)


@pytest.mark.parametrize("format", list(CONTENT_TYPES))
def test_bytes_do_not_depend_on_the_cutting(format: AudioFormat) -> None:
    sound = speech(22050)
    whole = b"".join(encode_audio([sound], 22050, format))
    pieces = [sound[:1], sound[1:1], sound[1:5000], sound[5000:]]
    assert b"".join(encode_audio(pieces, 22050, format)) == whole
    assert b"".join(encode_audio(iter(pieces), 22050, format)) == whole


@pytest.mark.parametrize("format", list(CONTENT_TYPES))
def test_sound_comes_out_while_it_goes_in(format: AudioFormat) -> None:
    given = 0

    def chunks():
        nonlocal given
        for _ in range(20):
            given += 1
            yield speech(24000)

    made = 0
    for data in encode_audio(chunks(), 24000, format):
        made += len(data)
        if made > 5000:
            break
    assert given < 6


@pytest.mark.parametrize("format", list(CONTENT_TYPES))
def test_no_sound_at_all(format: AudioFormat) -> None:
    data = b"".join(encode_audio([], 24000, format))
    assert isinstance(data, bytes)


@pytest.mark.parametrize("format", [name for name in CONTENT_TYPES if name != "pcm"])
def test_content_types_are_true(format: AudioFormat) -> None:
    assert kind(b"".join(encode_audio([speech(24000)], 24000, format))) == CONTENT_TYPES[format]


def test_pcm_is_what_openai_sends() -> None:
    data = b"".join(encode_audio([tone(48000, 1.0)], 48000, "pcm"))
    samples = np.frombuffer(data, "<i2") / 32767
    assert len(samples) == PCM_RATE
    assert error_of(samples.astype(np.float32), tone(PCM_RATE, 1.0)) < 1e-3


def test_wav_headers() -> None:
    sound = tone(16000)
    exact = b"".join(encode_audio([sound], 16000, "wav", count=len(sound)))
    with wave.open(io.BytesIO(exact)) as file:
        assert file.getparams()[:4] == (1, 2, 16000, 8000)
        assert len(file.readframes(10_000)) == 16_000
    streamed = b"".join(encode_audio([sound], 16000, "wav"))
    assert streamed[44:] == exact[44:]
    assert streamed[4:8] == streamed[40:44] == b"\xff\xff\xff\xff"


@pytest.mark.parametrize("format", list(CONTENT_TYPES))
def test_nan_is_not_encoded(format: AudioFormat) -> None:
    with pytest.raises(InvalidAudio) as caught:
        list(encode_audio([np.array([np.nan], np.float32)], 24000, format))
    assert caught.value.code == "non_finite"

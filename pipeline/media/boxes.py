"""Boxes of a fragmented MP4 (ISO/IEC 14496-12 and -15): the header that names its tracks, and fragments of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

PICTURES: Final = 1
SOUND: Final = 2
"""Numbers of the tracks."""

_UNITY: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_LEAST_SCALE: Final = 10_000
"""Ticks a second at least: players round times to those of the track."""
_SEQUENCE_SET, _PICTURE_SET = 7, 8
_EXTENDED_PROFILES: Final = frozenset({100, 110, 122, 144})
"""Profiles of H.264 whose configuration says how the colours are sampled: ISO/IEC 14496-15, 5.3.3.1.2."""
_INDEPENDENT: Final = 0x02000000
_DEPENDENT: Final = 0x01010000
"""Flags of a sample (14496-12, 8.8.3.1): depends on no other; depends on others and is no place to begin at."""

_PLACE, _FIRST_FLAGS, _DURATIONS, _SIZES, _OFFSETS = 0x001, 0x004, 0x100, 0x200, 0x800
"""What a `trun` has: 14496-12, 8.8.8.1."""


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """H.264 pictures of even rate, BT.601, limited range."""

    width: int
    height: int
    fps: Fraction
    configuration: bytes
    """AVCDecoderConfigurationRecord: ISO/IEC 14496-15, 5.3.3.1."""
    delay: int
    """Pictures that are decoded ahead of their turn, at most: the first is shown so many after it is decoded."""

    @property
    def tick(self) -> int:
        """Ticks that a picture is shown."""
        return self.fps.denominator * self._times

    @property
    def scale(self) -> int:
        """Ticks a second."""
        return self.fps.numerator * self._times

    @property
    def _times(self) -> int:
        times = 1
        while self.fps.numerator * times < _LEAST_SCALE:
            times *= 2
        return times


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """AAC."""

    rate: int
    channels: int
    bits: int
    """A second."""
    delay: int
    """Samples that come out before the first one that went in: the encoder's priming."""
    configuration: bytes
    """AudioSpecificConfig: ISO/IEC 14496-3, 1.6.2.1."""


@dataclass(frozen=True, slots=True)
class Run:
    """Samples of one track that follow each other in a fragment, in the order in which they are decoded."""

    track: int
    start: int
    """Ticks from the beginning to the first of them, as it is decoded."""
    durations: Sequence[int]
    """Ticks of each."""
    samples: Sequence[bytes]
    offsets: Sequence[int] | None = None
    """Ticks from when each is decoded until it is shown. None where it is the same."""
    depending: bool = False
    """All but the first need those before them."""


def header(pictures: PictureFormat, sound: SoundFormat | None) -> bytes:
    """`ftyp` and `moov`, the initialisation segment: what there is before the first fragment."""
    movie = _full(b"mvhd", 0, struct.pack(">4I", 0, 0, 1000, 0), _fixed(1, volume=1), _UNITY, bytes(24), _long(3))
    tracks = [PICTURES] if sound is None else [PICTURES, SOUND]
    shown = _track(
        PICTURES,
        scale=pictures.scale,
        skipped=pictures.delay * pictures.tick,
        size=(pictures.width, pictures.height),
        handler=(b"vide", b"VideoHandler"),
        medium=_full(b"vmhd", 1, bytes(8)),
        entry=_avc1(pictures),
    )
    heard = (
        b""
        if sound is None
        else _track(
            SOUND,
            scale=sound.rate,
            skipped=sound.delay,
            size=(0, 0),
            handler=(b"soun", b"SoundHandler"),
            medium=_full(b"smhd", 0, bytes(4)),
            entry=_mp4a(sound),
        )
    )
    defaults = [_full(b"trex", 0, struct.pack(">5I", track, 1, 0, 0, 0)) for track in tracks]
    kind = _box(b"ftyp", b"iso5", _long(0x200), b"iso5iso6mp41")
    return kind + _box(b"moov", movie, shown, heard, _box(b"mvex", *defaults))


def fragment(number: int, runs: Sequence[Run]) -> bytes:
    """`moof` and `mdat`: the runs of several tracks, none of them empty. The first fragment has the number 1."""
    length = len(_moof(number, runs, 0))  # the same whatever the offset is
    samples = [sample for run in runs for sample in run.samples]
    return _moof(number, runs, length + 8) + _box(b"mdat", *samples)


def runs(data: bytes) -> list[Run]:
    """What is in fragments that `fragment` made."""
    found: list[Run] = []
    for kind, start, end in _inside(data, 0, len(data)):
        if kind == b"moof":
            found += [_run(data, start - 8, *place[1:]) for place in _inside(data, start, end) if place[0] == b"traf"]
    return found


def configuration(parameter_sets: bytes) -> bytes:
    """The record that says how H.264 with these SPS and PPS (Annex B) is decoded."""
    sets = _units(parameter_sets)
    sequence = next(unit for unit in sets if unit[0] & 31 == _SEQUENCE_SET)
    picture = next(unit for unit in sets if unit[0] & 31 == _PICTURE_SET)
    record = bytes([1, *sequence[1:4], 0xFF, 0xE1]) + _short(len(sequence)) + sequence
    record += b"\1" + _short(len(picture)) + picture
    if sequence[1] in _EXTENDED_PROFILES:
        record += bytes([0xFC | 1, 0xF8, 0xF8, 0])  # 4:2:0, 8 bits, no more sets
    return record


def length_prefixed(packet: bytes) -> bytes:
    """Units of H.264 after start codes (Annex B) with their lengths in 4 bytes instead, as MP4 has them."""
    return b"".join(_long(len(unit)) + unit for unit in _units(packet))


def _moof(number: int, runs: Sequence[Run], data: int) -> bytes:
    parts = [_full(b"mfhd", 0, _long(number))]
    for run in runs:
        parts.append(_traf(run, data))
        data += sum(len(sample) for sample in run.samples)
    return _box(b"moof", *parts)


def _traf(run: Run, data: int) -> bytes:
    flags = _DEPENDENT if run.depending else _INDEPENDENT
    # Offsets from the moof; a duration and flags that hold where nothing else is said.
    head = _full(b"tfhd", 0x020028, struct.pack(">3I", run.track, run.durations[0], flags))
    begins = _full(b"tfdt", 0, struct.pack(">Q", run.start), version=1)
    columns: list[Sequence[int]] = []
    has, first = _PLACE | _SIZES, b""
    if run.depending:
        has, first = has | _FIRST_FLAGS, _long(_INDEPENDENT)
    if len(set(run.durations)) > 1:
        has |= _DURATIONS
        columns.append(run.durations)
    columns.append([len(sample) for sample in run.samples])
    if run.offsets is not None and any(run.offsets):
        has |= _OFFSETS
        columns.append(run.offsets)
    rows = [value for row in zip(*columns, strict=True) for value in row]
    table = struct.pack(f">{len(rows)}I", *rows)
    return _box(
        b"traf",
        head,
        begins,
        _full(b"trun", has, struct.pack(">2I", len(run.samples), data), first, table, version=1),
    )


def _run(data: bytes, moof: int, start: int, end: int) -> Run:
    """The `traf` between these places; where its samples are is counted from `moof`."""
    boxes = {kind: begins for kind, begins, _ in _inside(data, start, end)}
    _, track, duration, flags = struct.unpack_from(">4I", data, boxes[b"tfhd"])
    (decoded,) = struct.unpack_from(">Q", data, boxes[b"tfdt"] + 4)
    has, count, place = struct.unpack_from(">3I", data, boxes[b"trun"])
    columns = [bit for bit in (_DURATIONS, _SIZES, _OFFSETS) if has & bit]
    at = boxes[b"trun"] + (16 if has & _FIRST_FLAGS else 12)
    table = struct.unpack_from(f">{count * len(columns)}i", data, at)
    column = {bit: table[number :: len(columns)] for number, bit in enumerate(columns)}
    ends = list(accumulate(column[_SIZES], initial=moof + place))
    return Run(
        track,
        decoded,
        column.get(_DURATIONS, [duration] * count),
        [data[begins:ends] for begins, ends in pairwise(ends)],
        column.get(_OFFSETS),
        depending=flags == _DEPENDENT,
    )


def _inside(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type of each box between these places, and where its content begins and ends."""
    while start < end:
        length, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start + 8, start + length
        start += length


def _track(
    number: int,
    *,
    scale: int,
    skipped: int,
    size: tuple[int, int],
    handler: tuple[bytes, bytes],
    medium: bytes,
    entry: bytes,
) -> bytes:
    width, height = size
    described = _full(
        b"tkhd",
        3,  # enabled, in the movie
        struct.pack(">5I", 0, 0, number, 0, 0),
        bytes(8),
        struct.pack(">4H", 0, number - 1, 0 if width else 0x100, 0),
        _UNITY,
        struct.pack(">2I", width << 16, height << 16),
    )
    # From the first that is shown or heard on, however long it gets: a duration of 0, 14496-12, 8.6.6.1.
    edit = _box(b"edts", _full(b"elst", 0, struct.pack(">3IHH", 1, 0, skipped, 1, 0)))
    name, title = handler
    tables = [_full(kind, 0, bytes(4)) for kind in (b"stts", b"stsc")]
    tables += [_full(b"stsz", 0, bytes(8)), _full(b"stco", 0, bytes(4))]
    here = _box(b"dinf", _full(b"dref", 0, _long(1), _full(b"url ", 1)))
    return _box(
        b"trak",
        described,
        edit,
        _box(
            b"mdia",
            _full(b"mdhd", 0, struct.pack(">4IHH", 0, 0, scale, 0, 0x55C4, 0)),  # language: und
            _full(b"hdlr", 0, bytes(4), name, bytes(12), title, b"\0"),
            _box(b"minf", medium, here, _box(b"stbl", _full(b"stsd", 0, _long(1), entry), *tables)),
        ),
    )


def _avc1(pictures: PictureFormat) -> bytes:
    return _box(
        b"avc1",
        bytes(6) + _short(1) + bytes(16),
        struct.pack(">HHIIIH", pictures.width, pictures.height, 0x480000, 0x480000, 0, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
        _box(b"avcC", pictures.configuration),
        _box(b"colr", b"nclx", struct.pack(">3HB", 6, 6, 6, 0)),  # BT.601, limited range
    )


def _mp4a(sound: SoundFormat) -> bytes:
    """ISO/IEC 14496-14, 5.6: an ES descriptor in the entry."""
    decoder = struct.pack(">BBBHII", 0x40, 0x15, 0, 0, sound.bits, sound.bits)  # MPEG-4 audio, a stream of sound
    decoder += _descriptor(5, sound.configuration)
    stream = _short(0) + b"\0" + _descriptor(4, decoder) + _descriptor(6, b"\2")
    return _box(
        b"mp4a",
        bytes(6) + _short(1) + bytes(8),
        # 16 bits for the rate: players take one that is higher from the configuration.
        struct.pack(">4HI", sound.channels, 16, 0, 0, (sound.rate if sound.rate < 1 << 16 else 0) << 16),
        _full(b"esds", 0, _descriptor(3, stream)),
    )


def _units(data: bytes) -> list[bytes]:
    """Units of H.264 in a byte stream: ITU-T H.264, Annex B."""
    starts, at = [], data.find(b"\0\0\1")
    while at >= 0:
        starts.append(at)
        at = data.find(b"\0\0\1", at + 3)
    # Zeros before a start code belong to none: a unit does not end with one.
    return [data[start + 3 : end].rstrip(b"\0") for start, end in pairwise([*starts, len(data)])]


def _descriptor(tag: int, content: bytes) -> bytes:
    """ISO/IEC 14496-1, 8.3.3; shorter than 128 bytes."""
    return bytes([tag, len(content)]) + content


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _long(8 + len(content)) + kind + content


def _full(kind: bytes, flags: int, *parts: bytes, version: int = 0) -> bytes:
    return _box(kind, _long(version << 24 | flags), *parts)


def _fixed(rate: int, *, volume: int) -> bytes:
    return struct.pack(">IH10x", rate << 16, volume << 8)


def _short(value: int) -> bytes:
    return struct.pack(">H", value)


def _long(value: int) -> bytes:
    return struct.pack(">I", value)

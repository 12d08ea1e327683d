"""Fragmented MP4 (ISO/IEC 14496-12, 8.8): a film that plays while it is made, handed out as bytes."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from pipeline.contracts import CodedStretch, Encoding, Samples
from pipeline.errors import BackendFailed
from pipeline.media.stretches import options
from pipeline.media.tracks import SoundTrack, lay_out

CONTENT_TYPE: Final = "video/mp4"


class FragmentWriter:
    """Puts stretches of pictures and their sound together to one fragmented MP4: `ftyp` and `moov`, then `moof` and
    `mdat` for each stretch.

    H.264 and AAC, as `VideoWriter` makes them. A stretch goes out when the next one has come, which is when its length
    is known; the first bytes when the second has. Sound is cut or filled with silence to the length of the pictures.
    Nothing is kept of what has gone out. One thread at a time.
    """

    def __init__(self, *, size: int, fps: Fraction, sample_rate: int, encoding: Encoding) -> None:
        import av

        self._fps = fps
        self._frames = 0
        self._out = _Out()
        self._container = av.open(
            self._out,
            "w",
            format="mp4",
            # The header waits for the first fragment (delay_moov), when it is known how far the sound begins early.
            container_options={
                "fflags": "+bitexact",
                "movflags": "+frag_keyframe+delay_moov+default_base_moof+skip_trailer",
            },
        )
        # It encodes nothing: the parameter sets of the header are those of an encoder with the stretches' options.
        self._pictures = self._container.add_stream("libx264", rate=fps)
        self._pictures.time_base = 1 / fps
        lay_out(self._pictures.codec_context, size, size, fps, options(encoding))
        self._sound = SoundTrack(self._container, sample_rate, fps, "mp4")
        self._container.start_encoding()
        self._header = bytes(self._pictures.codec_context.extradata or b"")

    def write_audio(self, samples: Samples) -> None:
        """More of the sound, (n,) float32 mono: what belongs to a stretch comes before it."""
        self._sound.write(samples)

    def write_pictures(self, stretch: CodedStretch) -> bytes:
        """The next stretch. Returns what is ready to go out, often nothing. Raises `BackendFailed` for pictures that
        were encoded differently, which no player could follow."""
        import av

        if stretch.header != self._header:
            raise BackendFailed("The stretches of the video were not encoded alike.", code="stretches_differ")
        first, self._frames = self._frames, self._frames + len(stretch.packets)
        self._sound.advance(self._frames / self._fps)
        for number, data in enumerate(stretch.packets, start=first):
            packet = av.Packet(data)
            packet.stream = self._pictures
            packet.time_base = 1 / self._fps
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.is_keyframe = number == first
            self._container.mux_one(packet)
        return self._out.taken()

    def finish(self) -> bytes:
        """The rest. Raises `ValueError` if there was no stretch."""
        if not self._frames:
            raise ValueError("a film needs at least one frame")
        self._sound.finish(self._frames / self._fps)
        self._container.close()
        return self._out.taken()

    def abandon(self) -> None:
        """Frees what it holds; nothing else may be called any more."""
        self._container.close()


class _Out:
    """A file that can only be written to, for FFmpeg."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

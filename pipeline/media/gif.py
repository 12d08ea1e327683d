"""Animated GIF: a film for places that take no film."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import OutputContainer
    from av.filter import FilterContext, Graph

GIF_RATE: Final = 15
"""Frames a second at most: there is no sound to keep up with, and every frame costs as much as the first."""
GIF_SIDE: Final = 384
"""Pixels of the longer side at most: 1 MB a second of a talking head at this side and rate."""
PALETTE_FRAMES: Final = 32
"""How many frames the 256 colours are chosen from."""


class GifTrack:
    """The pictures of an animated GIF, with one palette for all frames.

    The palette comes from the first PALETTE_FRAMES frames, which are held until then: a talking portrait
    shows all its colours early, and memory stays bounded however long the film is. Bayer dithering keeps
    still parts still; error diffusion would make them crawl.
    """

    def __init__(self, container: OutputContainer, width: int, height: int, fps: Fraction) -> None:
        self._keep = max(1, -(-fps.numerator // (fps.denominator * GIF_RATE)))
        self._given = (width, height)
        scale = min(1.0, GIF_SIDE / max(width, height))
        self._width, self._height = max(1, round(width * scale)), max(1, round(height * scale))
        self._container = container
        self._time_base = self._keep / fps
        stream = container.add_stream("gif", rate=1 / self._time_base)
        stream.width, stream.height = self._width, self._height
        stream.pix_fmt = "pal8"
        stream.codec_context.time_base = self._time_base
        self._stream = stream
        self._seen = 0
        self._count = 0
        self._held: list[VideoFrame] = []
        self._graph: Graph | None = None

    def write(self, plane: NDArray[np.uint8]) -> None:
        """One (height * 3 // 2, width) I420 frame."""
        self._seen += 1
        if (self._seen - 1) % self._keep:
            return
        frame = self._picture(plane)
        if self._graph is None:
            self._held.append(frame)
            if len(self._held) == PALETTE_FRAMES:
                self._start()
        else:
            self._draw(frame)

    def finish(self) -> None:
        if self._graph is None:
            self._start()
        self._source.push(None)
        self._encode_ready()
        self._container.mux(self._stream.encode(None))

    def _picture(self, plane: NDArray[np.uint8]) -> VideoFrame:
        import cv2
        from av import VideoFrame

        rgb = cv2.cvtColor(np.ascontiguousarray(plane), cv2.COLOR_YUV2RGB_I420)
        if (self._width, self._height) != self._given:
            rgb = cv2.resize(rgb, (self._width, self._height), interpolation=cv2.INTER_AREA)
        return VideoFrame.from_ndarray(cast("Picture", rgb), "rgb24").reformat(format="bgra")

    def _start(self) -> None:
        """Chooses the palette from the frames held, then draws them."""
        palette = self._palette()
        self._graph, self._source = self._drawing(palette)
        held, self._held = self._held, []
        for frame in held:
            self._draw(frame)

    def _palette(self) -> VideoFrame:
        from av import VideoFormat
        from av.filter import Graph

        graph = Graph()
        source = graph.add_buffer(
            width=self._width, height=self._height, format=VideoFormat("bgra"), time_base=self._time_base
        )
        chosen = graph.add("palettegen", "stats_mode=full:reserve_transparent=0")
        sink = graph.add("buffersink")
        source.link_to(chosen)
        chosen.link_to(sink)
        graph.configure()
        for index, frame in enumerate(self._held):
            frame.pts, frame.time_base = index, self._time_base
            source.push(frame)
        source.push(None)
        return cast("VideoFrame", sink.pull())

    def _drawing(self, palette: VideoFrame) -> tuple[Graph, FilterContext]:
        from av import VideoFormat
        from av.filter import Graph

        graph = Graph()
        source = graph.add_buffer(
            width=self._width, height=self._height, format=VideoFormat("bgra"), time_base=self._time_base
        )
        colours = graph.add_buffer(width=16, height=16, format=VideoFormat("bgra"), time_base=self._time_base)
        use = graph.add("paletteuse", "dither=bayer:bayer_scale=5:diff_mode=rectangle")
        sink = graph.add("buffersink")
        source.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        palette.pts, palette.time_base = 0, self._time_base
        colours.push(palette)
        colours.push(None)
        self._sink = sink
        return graph, source

    def _draw(self, frame: VideoFrame) -> None:
        frame.pts, frame.time_base = self._count, self._time_base
        self._count += 1
        self._source.push(frame)
        self._encode_ready()

    def _encode_ready(self) -> None:
        import av

        while True:
            try:
                drawn = cast("VideoFrame", self._sink.pull())
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            drawn.time_base = self._time_base
            drawn.duration = 1
            self._container.mux(self._stream.encode(drawn))

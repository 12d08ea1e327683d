"""MediaPipe's own graphs, run without importing the `mediapipe` package.

`import mediapipe` takes 1.5 CPU-seconds: it loads every solution and task with matplotlib, sounddevice and
TensorFlow's protocol buffers. The C++ core beside it, which does all the work, loads in 0.1. It is put into
`sys.modules` under its own name, so that a later `import mediapipe` finds and shares it.
"""

from __future__ import annotations

import importlib.util
import os
import struct
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.contracts import Picture

_CORE: Final = "mediapipe.python._framework_bindings"
_NOISE: Final = (
    b"INFO: Created TensorFlow Lite XNNPACK delegate",
    b"WARNING: All log messages before absl::InitializeLog",
    b"inference_feedback_manager.cc",
    b"landmark_projection_calculator.cc",
    b"gl_context",
)


def core() -> Any:
    """MediaPipe's extension module. Raises `ImportError` where mediapipe is not installed."""
    loaded = sys.modules.get(_CORE)
    if loaded is not None:
        return loaded
    package = importlib.util.find_spec("mediapipe")
    if package is None or package.origin is None:
        raise ImportError("mediapipe is not installed")
    root = Path(package.origin).parent
    found = sorted((root / "python").glob("_framework_bindings*"))
    spec = importlib.util.spec_from_file_location(_CORE, found[0]) if found else None
    if spec is None or spec.loader is None:
        raise ImportError(f"mediapipe in {root} has no _framework_bindings")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_CORE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_CORE]
        raise
    module.resource_util.set_resource_dir(str(root.parent))
    return module


class Graph:
    """One running MediaPipe graph: pictures in, serialised results out, nothing kept from call to call.

    `config` is a CalculatorGraphConfig in text form with an input stream `image` and, if it takes a region,
    `roi` (a NormalizedRect, always the whole picture here).
    """

    def __init__(self, config: str, output: str, *, roi: bool = False, **switches: bool) -> None:
        self._core = core()
        self._graph = self._core.calculator_graph.CalculatorGraph(graph_config=config)
        self._output = output
        self._packet: Any = None
        self._time = 0
        self._roi = (
            self._core._packet_creator._create_proto(
                # x_center, y_center, height, width, rotation: fields 1 to 5, all float.
                "mediapipe.NormalizedRect",
                struct.pack("<BfBfBfBfBf", 0x0D, 0.5, 0x15, 0.5, 0x1D, 1.0, 0x25, 1.0, 0x2D, 0.0),
            )
            if roi
            else None
        )
        self._graph.observe_output_stream(output, self._take, True)
        creator = self._core._packet_creator
        self._graph.start_run({name: creator.create_bool(value) for name, value in switches.items()})

    def _take(self, _: str, packet: Any) -> None:
        self._packet = packet

    def run(self, picture: Picture) -> Any:
        """The output packet for one picture, or None where the graph had nothing to say."""
        self._packet = None
        # MediaPipe wants rising timestamps; without tracking they carry no meaning.
        self._time += 1
        image = self._core._packet_creator._create_image_frame_from_pixel_data(
            self._core.image_frame.ImageFormat.SRGB, np.ascontiguousarray(picture), True
        )
        self._graph.add_packet_to_input_stream("image", image.at(self._time))
        if self._roi is not None:
            self._graph.add_packet_to_input_stream("roi", self._roi.at(self._time))
        self._graph.wait_until_idle()
        packet, self._packet = self._packet, None
        return None if packet is None or packet.is_empty() else packet

    def message(self, packet: Any) -> bytes:
        """The packet's one protocol buffer message, serialised."""
        return self._core._packet_getter._get_serialized_proto(packet)

    def messages(self, packet: Any) -> list[bytes]:
        """The packet's list of protocol buffer messages, serialised."""
        return self._core._packet_getter._get_serialized_proto_list(packet)

    def close(self) -> None:
        self._graph.close()


def landmarks(message: bytes) -> NDArray[np.float32]:
    """(n, 3) float32 of a NormalizedLandmarkList: x, y in 0..1 of the picture, z in the scale of x.

    Each landmark is field 1 of the list, with x, y, z its fields 1, 2, 3, all float.
    """
    points: list[tuple[float, float, float]] = []
    for number, value in fields(message):
        if number == 1 and isinstance(value, bytes):
            point = {at: part for at, part in fields(value) if isinstance(part, float)}
            points.append((point.get(1, 0.0), point.get(2, 0.0), point.get(3, 0.0)))
    return np.array(points, np.float32).reshape(-1, 3)


def fields(message: bytes) -> Iterator[tuple[int, bytes | float | int]]:
    """Field numbers and values of a serialised message, nested messages as bytes, 32-bit values as floats.

    The wire format of protocol buffers: https://protobuf.dev/programming-guides/encoding/
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif wire == 2:
            length, at = _varint(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        elif wire == 5:
            yield key >> 3, struct.unpack_from("<f", message, at)[0]
            at += 4
        elif wire == 1:
            yield key >> 3, struct.unpack_from("<d", message, at)[0]
            at += 8
        else:
            raise ValueError(f"wire type {wire}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


@contextmanager
def quiet() -> Generator[None]:
    """Leaves out what MediaPipe's core is known to print on stderr as it starts; all else is passed on.

    Its logging can only be silenced by the environment, which belongs to whoever started this process.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no stderr, nothing to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            held.seek(0)
            for line in held:
                if not any(noise in line for noise in _NOISE):
                    os.write(kept, line)
            os.close(kept)

"""Where faces are: MediaPipe's two detectors over a pyramid of the picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.face.graph import Graph, fields
from pipeline.contracts import Picture

TILE: Final = 288
"""Pixels a side of what a detector looks at (its own input is 128 or 192)."""
OVERLAP: Final = 64
LEVELS: Final = (256, 512, 960, 1856)
"""Longer side of the picture on each level of the pyramid; the first is seen whole, the others in tiles."""
SEEN: Final = 0.085
"""The smallest face (forehead to chin) that is reliably seen, as a share of the side looked at."""

_CONFIG: Final = """
input_stream: "image"
output_stream: "detections"
node {{ calculator: "FaceDetection{0}Cpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:detections" }}
"""


@dataclass(frozen=True, slots=True)
class Detection:
    """A face as the detectors see it, in pixels of the picture."""

    score: float
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 from the brows to the chin."""
    points: NDArray[np.float32]
    """(6, 2): eye, eye, nose tip, mouth, ear, ear; the one on the picture's left first."""

    @property
    def side(self) -> float:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


class Detector:
    """Both detectors, kept ready: the short-range one for close-ups, the full-range one for small faces."""

    def __init__(self) -> None:
        self._near = Graph(_CONFIG.format("ShortRange"), "detections")
        self._far = Graph(_CONFIG.format("FullRange"), "detections")

    def levels(self, picture: Picture) -> Iterator[tuple[int, list[Detection]]]:
        """The faces seen level by level, coarse to fine; enlarged to at most twice the picture's own size."""
        longest = max(picture.shape[:2])
        # Reduced once to the finest level, so that a large picture is not read again for each.
        finest = _scaled(picture, LEVELS[-1] / longest) if longest > LEVELS[-1] else picture
        for level, side in enumerate(LEVELS):
            if level == 0 or side <= 2 * longest:
                yield level, self.level(finest, level, of=longest)

    def level(self, picture: Picture, level: int, *, of: int | None = None) -> list[Detection]:
        """The faces seen on one level of the pyramid, best first, each once.

        `of` is the longer side of the picture whose pixels are meant, where `picture` is a reduction of it.
        """
        import cv2

        longest = max(picture.shape[:2])
        small = _scaled(picture, LEVELS[level] / longest)
        size = small.shape[1::-1]
        scale = LEVELS[level] / (of or longest)
        found: list[Detection] = []
        if level == 0:
            # A border around it, for faces that reach the edges.
            edge = LEVELS[0] // 4
            framed = cv2.copyMakeBorder(small, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(127, 127, 127))
            found += self._seen(self._near, small, (0, 0), scale)
            found += self._seen(self._near, framed, (-edge, -edge), scale)
            found += self._seen(self._far, small, (0, 0), scale)
        else:
            for y in _starts(size[1]):
                for x in _starts(size[0]):
                    found += self._seen(self._far, small[y : y + TILE, x : x + TILE], (x, y), scale)
        return distinct(found)

    def _seen(self, graph: Graph, part: np.ndarray, origin: tuple[int, int], scale: float) -> list[Detection]:
        packet = graph.run(part)
        if packet is None:
            return []
        height, width = part.shape[:2]
        return [_detection(message, (width, height), origin, scale) for message in graph.messages(packet)]


def _scaled(picture: Picture, scale: float) -> Picture:
    import cv2

    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    scaled: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return scaled


def distinct(found: list[Detection]) -> list[Detection]:
    """Best first, without those whose middle lies in the box of a better one of similar size."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda d: -d.score):
        middle = ((one.box[0] + one.box[2]) / 2, (one.box[1] + one.box[3]) / 2)
        if not any(_inside(middle, other.box) or _overlap(one.box, other.box) > 0.3 for other in kept):
            kept.append(one)
    return kept


def _starts(length: int) -> list[int]:
    """Where tiles begin, so that they cover `length` evenly and overlap by OVERLAP at least."""
    count = max(1, -(-(length - OVERLAP) // (TILE - OVERLAP)))
    return [round(i * max(0, length - TILE) / max(1, count - 1)) for i in range(count)]


def _detection(message: bytes, size: tuple[int, int], origin: tuple[int, int], scale: float) -> Detection:
    """From mediapipe.Detection: score 3 (packed), location_data 4; in that relative_bounding_box 3, keypoints 5."""
    score = 0.0
    corner = extent = np.zeros(2, np.float32)
    points: list[tuple[float, float]] = []
    for number, value in fields(message):
        if number == 3 and isinstance(value, bytes):
            score = float(np.frombuffer(value, "<f4")[0])
        elif number == 3 and isinstance(value, float):
            score = value
        elif number == 4 and isinstance(value, bytes):
            for inner, part in fields(value):
                if not isinstance(part, bytes):
                    continue
                numbers = {at: float(item) for at, item in fields(part) if isinstance(item, float)}
                if inner == 3:
                    corner = np.array([numbers.get(1, 0), numbers.get(2, 0)], np.float32)
                    extent = np.array([numbers.get(3, 0), numbers.get(4, 0)], np.float32)
                elif inner == 5:
                    points.append((numbers.get(1, 0), numbers.get(2, 0)))

    def placed(share: NDArray[np.float32]) -> NDArray[np.float32]:
        return ((share * np.array(size) + np.array(origin)) / scale).astype(np.float32)

    low, high = placed(corner), placed(corner + extent)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Detection(score, box, placed(np.array(points, np.float32).reshape(-1, 2)))


def _inside(point: tuple[float, float], box: tuple[float, float, float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)

"""What a viewer sees of a finished video: how far the lips are open, how wide, frame by frame.

Measured with MediaPipe's own face mesh, run on each decoded frame by itself, not with anything that made the video.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP = ((13, 14), (82, 87), (312, 317))
"""Points of the inner lips, upper and lower, in the middle and beside it."""
CORNERS = (78, 308)
HEIGHT = (10, 152)


@dataclass(frozen=True, slots=True)
class Lips:
    """Per frame, as shares of the face's height; NaN where no face was found."""

    gap: NDArray[np.float64]
    width: NDArray[np.float64]

    @property
    def missing(self) -> int:
        """Frames without a face."""
        return int(np.isnan(self.gap).sum())


def frames(path: Path) -> list[NDArray[Any]]:
    """The decoded video as RGB pictures."""
    import av

    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def measure(path: Path) -> Lips:
    """Looks at every frame of a video file."""
    return watched(frames(path))


def watched(pictures: Iterable[NDArray[Any]]) -> Lips:
    """Looks at RGB pictures."""
    gaps, widths = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mediapipe.python.solutions import face_mesh

        mesh: Any = face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True)
        with mesh:
            for picture in pictures:
                found = mesh.process(picture).multi_face_landmarks
                if not found:
                    gaps.append(np.nan)
                    widths.append(np.nan)
                    continue
                points = np.array([(p.x * picture.shape[1], p.y * picture.shape[0]) for p in found[0].landmark])
                height = np.linalg.norm(points[HEIGHT[0]] - points[HEIGHT[1]])
                gaps.append(np.mean([np.linalg.norm(points[a] - points[b]) for a, b in GAP]) / height)
                widths.append(np.linalg.norm(points[CORNERS[0]] - points[CORNERS[1]]) / height)
    return Lips(np.array(gaps), np.array(widths))


def correlation(seen: NDArray[np.floating], meant: NDArray[np.floating], furthest: int = 12) -> tuple[float, int]:
    """Pearson's r at lag 0, and the lag in frames (positive: seen later than meant) at which it is greatest."""

    def at(lag: int) -> float:
        a = seen[max(0, lag) : len(seen) + min(0, lag)]
        b = meant[max(0, -lag) : len(meant) - max(0, lag)]
        return float(np.corrcoef(a, b)[0, 1])

    best = max(range(-furthest, furthest + 1), key=at)
    return at(0), best

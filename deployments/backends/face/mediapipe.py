"""The face of a picture, by MediaPipe's detectors and face mesh (Apache-2.0; the models are in its wheel)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deployments.backends.face.detection import LEVELS, SEEN, TILE, Detection, Detector
from deployments.backends.face.graph import Graph, landmarks, quiet
from deployments.backends.face.pose import CHIN, FOREHEAD, face_height, pose, quality
from pipeline.contracts import Face, Picture
from pipeline.errors import UnusableFace

MESH_SIDE: Final = 192
"""Pixels a side that the mesh model sees."""
MARGIN: Final = 1.5
"""Side of the region given to the mesh, in sides of the face: what the model was trained with."""
AGREEMENT: Final = 0.0095
"""Face heights: the mean spread of a mesh over the views. Faces of 64 pixels and more reach 0.003, faces of 12
pixels 0.008; profiles start at 0.010 and what the detectors take for faces in pictures without any at 0.013."""
SETTLING: Final = 6
"""Views after which the region is taken as it is; from a good detection it stands still after two."""
SURE: Final = 0.8
"""Detector score from which a face without a mesh is taken for a head turned away."""
ACCEPTED: Final = "a picture with one face, looking into the camera"

_CONFIG: Final = """
input_stream: "image"
input_stream: "roi"
input_side_packet: "with_attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""

# The model's error depends on where in its region the face lies; the mean over these has less of it.
# Shift right, shift down (in sides of the region), scale, degrees.
_VIEWS: Final = (
    (0, 0, 1, 0),
    (0.02, 0.01, 1.06, 4),
    (-0.02, 0.01, 0.95, -4),
    (0.01, -0.02, 1.05, -3),
    (-0.01, 0, 0.96, 3),
)


@dataclass(frozen=True, slots=True)
class Region:
    """A turned square of the picture. The middle of the top left pixel is (0, 0)."""

    x: float
    y: float
    side: float
    degrees: float

    def matrix(self, side: int) -> NDArray[np.float64]:
        """(2, 3), from the picture to a `side` x `side` view of the region."""
        scale = side / self.side
        cos, sin = scale * np.cos(np.radians(self.degrees)), scale * np.sin(np.radians(self.degrees))
        half = (side - 1) / 2
        return np.array(
            [[cos, sin, half - cos * self.x - sin * self.y], [-sin, cos, half + sin * self.x - cos * self.y]]
        )

    def near(self, other: Region) -> bool:
        """Within a hundredth of the side."""
        apart = np.hypot(self.x - other.x, self.y - other.y)
        return bool(apart < 0.01 * self.side and abs(self.side - other.side) < 0.01 * self.side)

    def moved(self, right: float, down: float, scale: float, degrees: float) -> Region:
        return Region(self.x + right * self.side, self.y + down * self.side, self.side * scale, self.degrees + degrees)


class MediapipeFace:
    """A `FaceModel`. Faces lower than `min_height` pixels (forehead to chin) or turned further than `max_yaw`,
    `max_pitch` or `max_roll` degrees are refused. Other faces in the background count as several only from
    a quarter of the height of the largest on (`ignored`).

    Warm and stateless: a picture gives the same answer whatever came before. Not thread safe.
    """

    def __init__(
        self,
        *,
        min_height: float = 64.0,
        max_yaw: float = 35.0,
        max_pitch: float = 30.0,
        max_roll: float = 45.0,
        ignored: float = 0.25,
    ) -> None:
        self._min_height = min_height
        self._max_yaw = max_yaw
        self._max_pitch = max_pitch
        self._max_roll = max_roll
        self._ignored = ignored
        with quiet():
            self._detector = Detector()
            self._mesh = Graph(_CONFIG, "landmarks", roi=True, with_attention=True)
            # The first run prints too, and is slower than the others.
            blank = np.full((LEVELS[0], LEVELS[0], 3), 127, np.uint8)
            self._detector.level(blank, 0)
            self._mesh.run(blank)

    def locate(self, picture: Picture) -> Face:
        """The one face of (height, width, 3) uint8 RGB; landmarks have the middle of the top left pixel at (0, 0).

        The crop is a square of 2.3 face heights (or what the picture allows), a tenth of a face height lower
        than the middle of the face.

        Raises `UnusableFace` with code no_face, several_faces, face_too_small, face_turned_away or face_cut_off
        (the picture ends before the chin or a good part of the face does), and `ValueError` for another shape.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
            raise ValueError(f"picture is {picture.shape} {picture.dtype}, not (height, width, 3) uint8")
        meshes, bare = self._search(picture)
        if not meshes:
            raise self._nobody(picture, bare)
        meshes.sort(key=face_height, reverse=True)
        height = face_height(meshes[0])
        others = [mesh for mesh in meshes[1:] if face_height(mesh) >= self._ignored * height]
        if others:
            raise _unusable(f"The picture shows {1 + len(others)} faces.", "several_faces", "a picture of one face")
        if height < self._min_height:
            raise self._too_small(height)
        return self._face(picture, meshes[0])

    def _search(self, picture: Picture) -> tuple[list[NDArray[np.float32]], list[Detection]]:
        """The meshes of all faces that matter, and the detections that turned out to be none.

        Finer and finer levels, until a face that would count could not have been missed.
        """
        longest = max(picture.shape[:2])
        meshes: list[NDArray[np.float32]] = []
        bare: list[Detection] = []
        for level, found in self._detector.levels(picture):
            for one in found:
                if any(_covers(mesh, one) for mesh in meshes):
                    continue
                mesh = self._confirmed(picture, one)
                if mesh is None:
                    bare.append(one)
                elif not any(_same(mesh, other) for other in meshes):
                    meshes.append(mesh)
            smallest = SEEN * (longest if level == 0 else TILE * longest / LEVELS[level])
            if meshes and smallest <= self._ignored * max(face_height(mesh) for mesh in meshes):
                break
        return meshes, bare

    def _confirmed(self, picture: Picture, found: Detection) -> NDArray[np.float32] | None:
        """(478, 3) mesh of a detected face, the mean of several views; None where the views do not agree.

        A face gives the same mesh from every view; shoulders, wheels and faces upside down do not.
        """
        region = _region_of(found)
        # The mesh depends a little on its region: repeated until that stands still, it does not depend on what the
        # detectors made of it, and so not on the rest of the picture.
        for _ in range(SETTLING):
            mesh = self._view(picture, region)
            if mesh is None:
                return None
            before, region = region, _region(mesh)
            if region.near(before):
                break
        views = []
        for change in _VIEWS:
            view = self._view(picture, region.moved(*change))
            if view is None:
                return None
            views.append(view)
        mesh = np.mean(views, axis=0, dtype=np.float64).astype(np.float32)
        spread = float(np.std([view[:, :2] for view in views], axis=0).mean())
        return mesh if spread < AGREEMENT * face_height(mesh) else None

    def _view(self, picture: Picture, region: Region) -> NDArray[np.float32] | None:
        """(478, 3) mesh in pixels of the picture, or None where the model sees no face in the region."""
        packet = self._mesh.run(_cut(picture, region, MESH_SIDE))
        if packet is None:
            return None
        points = landmarks(self._mesh.message(packet)).astype(np.float64)
        matrix = region.matrix(MESH_SIDE)
        # The model's coordinates run from edge to edge, ours from middle to middle of a pixel.
        flat = points[:, :2] * MESH_SIDE - 0.5 - matrix[:, 2]
        placed = flat @ np.linalg.inv(matrix[:, :2]).T
        return np.column_stack([placed, points[:, 2] * region.side]).astype(np.float32)

    def _face(self, picture: Picture, mesh: NDArray[np.float32]) -> Face:
        rows, columns = picture.shape[:2]
        height = face_height(mesh)
        yaw, pitch, roll = pose(mesh)
        limits = (("yaw", yaw, self._max_yaw), ("pitch", pitch, self._max_pitch), ("roll", roll, self._max_roll))
        for name, angle, limit in limits:
            if abs(angle) > limit:
                raise self._turned(name, angle, limit)
        low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
        outside = max(-low[0], -low[1], high[0] - columns, high[1] - rows)
        if outside > 0.08 * height:
            raise _unusable(
                f"The picture cuts the face off: {outside:.0f} pixels of it are outside.",
                "face_cut_off",
                "a picture with the whole face in it",
            )
        patch = _cut(picture, _region(mesh), MESH_SIDE)
        box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        return Face(mesh, box, yaw, pitch, roll, quality(patch, height, yaw, pitch), _crop(mesh, rows, columns))

    def _nobody(self, picture: Picture, bare: list[Detection]) -> UnusableFace:
        """Why there is no mesh: a picture on its side, a profile, or nobody at all."""
        for turns in (1, 2, 3):
            turned = np.ascontiguousarray(np.rot90(picture, turns))
            for found in self._detector.level(turned, 0):
                mesh = self._confirmed(turned, found)
                if mesh is not None:
                    # rot90 turns anticlockwise; a roll is from -180 to 180 degrees.
                    return self._turned("roll", (pose(mesh)[2] + 90 * turns + 180) % 360 - 180, self._max_roll)
        sure = max((found.side for found in bare if found.score > SURE), default=None)
        if sure is None:
            return _unusable("There is no face in the picture.", "no_face", ACCEPTED)
        if sure < self._min_height:
            return self._too_small(sure)
        return _unusable("The face is turned away from the camera.", "face_turned_away", ACCEPTED)

    def _turned(self, name: str, angle: float, limit: float) -> UnusableFace:
        words = {"yaw": "sideways", "pitch": "up" if angle > 0 else "down", "roll": "over"}
        return _unusable(
            f"The head is turned {abs(angle):.0f} degrees {words[name]}.",
            "face_turned_away",
            f"{name} of at most {limit:.0f} degrees",
        )

    def _too_small(self, height: float) -> UnusableFace:
        return _unusable(
            f"The face is {height:.0f} pixels high.", "face_too_small", f"at least {self._min_height:.0f} pixels"
        )


def _unusable(message: str, code: str, accepted: str) -> UnusableFace:
    return UnusableFace(message, code=code, field="portrait", accepted=accepted)


def _cut(picture: Picture, region: Region, side: int) -> Picture:
    """A `side` x `side` view of the region, averaged down where it is larger; past the border its edge repeats."""
    import cv2

    times = max(1, min(16, int(np.ceil(region.side / side / 1.5))))
    view: Any = cv2.warpAffine(
        picture,
        region.matrix(side * times),
        (side * times, side * times),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return view if times == 1 else cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA)


def _region_of(found: Detection) -> Region:
    """As MediaPipe's face_detection_front_detection_to_roi: the box, turned so that the eyes are level."""
    eyes = found.points[1] - found.points[0]
    x = (found.box[0] + found.box[2]) / 2
    y = (found.box[1] + found.box[3]) / 2
    return Region(x, y, MARGIN * found.side, float(np.degrees(np.arctan2(eyes[1], eyes[0]))))


def _region(mesh: NDArray[np.float32]) -> Region:
    """As MediaPipe's face_landmark_landmarks_to_roi: the box around the mesh with its eye corners level."""
    eyes = mesh[263, :2] - mesh[33, :2]
    degrees = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, sin], [-sin, cos]])
    level = mesh[:, :2] @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = turn.T @ ((low + high) / 2)
    return Region(float(x), float(y), MARGIN * float((high - low).max()), degrees)


def _covers(mesh: NDArray[np.float32], found: Detection) -> bool:
    """Whether the middle of a detection lies on a face that is known, and is not a much smaller one."""
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    x, y = (found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2
    return bool(low[0] <= x <= high[0] and low[1] <= y <= high[1])


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Two meshes of one face: their middles are closer than half a face."""
    apart = np.linalg.norm(a[:, :2].mean(axis=0) - b[:, :2].mean(axis=0))
    return bool(apart < 0.5 * max(face_height(a), face_height(b)))


def _crop(mesh: NDArray[np.float32], rows: int, columns: int) -> tuple[int, int, int]:
    height = face_height(mesh)
    side = int(min(2.3 * height, rows, columns))
    x, y = (mesh[FOREHEAD, :2] + mesh[CHIN, :2]) / 2
    left = int(np.clip(round(float(x) - side / 2), 0, columns - side))
    top = int(np.clip(round(float(y) + 0.1 * height - side / 2), 0, rows - side))
    return left, top, side

"""A photographed head turned in depth: for pictures of faces that look away, with a known angle."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from pipeline.contracts import Face, Picture


def turned(picture: Picture, face: Face, *, yaw: float = 0, pitch: float = 0) -> Picture:
    """`picture` with its face and what is around it rotated, degrees signed as in `Face`.

    Every triangle of the mesh, and of a ring around it that carries hair and neck, is drawn where its corners
    come to lie, far ones first, over a blurred picture.
    """
    mesh = face.landmarks[:468].astype(np.float64)
    middle = mesh.mean(axis=0)
    height = np.linalg.norm(mesh[10] - mesh[152])
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    depth = (mesh[234, 2] + mesh[454, 2]) / 2
    ring = np.column_stack(
        [
            middle[0] + 1.05 * height * np.cos(around),
            middle[1] + height * (1.15 * np.sin(around) - 0.05),
            np.full(24, depth),
        ]
    )
    points = np.vstack([mesh, ring])
    placed = (points - middle) @ _rotation(yaw, pitch).T + middle
    triangles = Delaunay(points[:, :2]).simplices
    out: Any = cv2.GaussianBlur(picture, (0, 0), picture.shape[0] / 30)
    for corners in triangles[np.argsort(-placed[triangles][:, :, 2].mean(axis=1))]:
        _draw(out, picture, points[corners, :2], placed[corners, :2])
    return out


def _rotation(yaw: float, pitch: float) -> NDArray[np.float64]:
    y, x = np.radians(yaw), np.radians(pitch)
    sideways = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    upwards = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    return sideways @ upwards


def _draw(out: Picture, picture: Picture, source: NDArray[np.float64], target: NDArray[np.float64]) -> None:
    def area(corners: NDArray[np.float64]) -> float:
        (ax, ay), (bx, by) = corners[1] - corners[0], corners[2] - corners[0]
        return ax * by - ay * bx

    if area(source) * area(target) <= 0:
        return  # seen from behind
    low = np.maximum(np.floor(target.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(target.max(axis=0)).astype(int) + 2, out.shape[1::-1])
    if (high <= low).any():
        return
    width, height = (high - low).tolist()
    matrix = cv2.getAffineTransform(source.astype(np.float32), (target - low).astype(np.float32))
    drawn = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    mask: Any = np.zeros((height, width), np.uint8)
    outline: Any = np.round((target - low) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, outline, (255,), shift=4)
    cv2.polylines(mask, [outline], True, (255,), 1, shift=4)
    out[low[1] : high[1], low[0] : high[0]][mask > 0] = drawn[mask > 0]

"""The face above and the face below the lip line, as textures that the fields move."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.backends.lipsync.meshwarp import _warp
from deployments.backends.lipsync.meshwarp.fields import BASES, coefficients, fields, step
from deployments.backends.lipsync.meshwarp.interior import LEFT, TOP, Interior, interior, pack
from deployments.backends.lipsync.meshwarp.mouth_frame import MouthFrame, mouth_frame
from deployments.backends.lipsync.meshwarp.portrait import PAD, Canvas, Portrait
from deployments.backends.lipsync.mouth import MouthTrack

Array = NDArray[np.float32]

EDGES = np.linspace(-1.25, 1.25, 64, dtype=np.float32)
"""x at which _warp.c wants the lips' edges."""


@dataclass(frozen=True, slots=True)
class MouthPoses:
    """What `Mouth.draw` needs of each frame, computed for many at once."""

    coefficients: Array
    edges: Array
    """(frames, 2, 64)"""
    half_widths: Array
    place: Array
    """(frames, 3, 4)"""


class Mouth:
    """The moving region of one portrait. Building it takes some tens of milliseconds; drawing is in C and may be
    done from several threads at once."""

    def __init__(self, portrait: Portrait) -> None:
        size = portrait.size
        self.frame = frame = mouth_frame(portrait.landmarks, portrait.yuv[..., 0])
        self.origin, self.shape = _region(frame, size)
        self.step = max(2, round(size / 128))
        self.scale = 2 if size <= 1024 else 1
        self._nodes(portrait.landmarks)
        self._textures(portrait.yuv)
        ends = np.array([-0.95, 0.95], np.float32)
        curve = np.concatenate([np.linspace(-1.3, 1.3, 53, dtype=np.float32), ends])
        points = np.stack([frame.at(frame.upper, curve), frame.at(frame.lower, curve)])
        both = fields(frame, portrait.landmarks, np.stack([curve, curve]), points)
        self._edge_fields = np.stack([both[0, :, 0], both[1, :, 1]])
        side = np.where(curve < 0, frame.left, frame.right).astype(np.float32) / frame.unit
        self._edge_points = np.stack([np.stack([curve * side, line], axis=-1) for line in points])
        middle = len(curve[:-2]) // 2
        self.closed = float((points[:, middle] + self._edge_fields[:, 0, middle, 1]).mean())
        self._inside: Interior = interior(frame, portrait.yuv, self.closed, self.scale)
        affine = np.concatenate([frame.axes / frame.unit, np.zeros((2, 1), np.float32)], axis=1)
        affine[:, 2] = -(frame.axes @ (frame.origin - np.array(self.origin, np.float32))) / frame.unit
        self._affine = np.ascontiguousarray(affine.reshape(6), np.float32)

    def _nodes(self, landmarks: Array) -> None:
        frame, (left, top), (width, height) = self.frame, self.origin, self.shape
        columns, rows = -(-width // self.step) + 1, -(-height // self.step) + 1
        px, py = np.meshgrid(np.arange(columns) * self.step, np.arange(rows) * self.step)
        points = np.stack([px + left, py + top], axis=-1).astype(np.float32)
        x, y = frame.to_mouth(points)
        field = fields(frame, landmarks, x, y)
        border = np.minimum(np.minimum(px, width - px), np.minimum(py, height - py)) / frame.unit
        field *= step(0.02, 0.38, border.astype(np.float32))[..., None]
        pixels = frame.axes * np.float32(frame.unit)
        moved = np.zeros((2, len(BASES), rows, columns, 4), np.float32)
        moved[..., :2] = field[..., :1] * pixels[0] + field[..., 1:2] * pixels[1]
        moved[..., 2] = field[..., 2]
        lower, upper = frame.at(frame.lower, x), frame.at(frame.upper, x)
        need = np.stack([y < lower + 1.4, y > upper - 0.7])
        # What hardly moves is left out: a 1/32 pixel, a 1/512 of the light.
        seen = (np.abs(moved).max(axis=1) > np.array([1 / 32, 1 / 32, 1 / 512, 1], np.float32)).any(axis=-1) & need
        seen = seen.any(axis=0)
        self._crop(np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0)), moved, need)

    def _crop(self, rows: NDArray[np.int64], columns: NDArray[np.int64], moved: Array, need: NDArray[np.bool_]) -> None:
        """Keeps the nodes from the first to the last that moves, and a margin that doesn't."""
        (left, top), (width, height), step_ = self.origin, self.shape, self.step
        if len(rows):
            above, before = max(int(rows[0]) - 1, 0), max(int(columns[0]) - 1, 0)
            # The region starts on even pixels, where chroma does.
            above, before = above - above * step_ % 2, before - before * step_ % 2
            window = np.s_[above : int(rows[-1]) + 2, before : int(columns[-1]) + 2]
            moved, need = moved[:, :, *window], need[:, *window]
            width = min(width - before * step_, (moved.shape[3] - 1) * step_) // 2 * 2
            height = min(height - above * step_, (moved.shape[2] - 1) * step_) // 2 * 2
            self.origin, self.shape = (left + before * step_, top + above * step_), (width, height)
            moved = moved[:, :, : -(-height // step_) + 1, : -(-width // step_) + 1]
            need = need[:, : moved.shape[2], : moved.shape[3]]
        self._fields, self._need = np.ascontiguousarray(moved), np.ascontiguousarray(need.astype(np.uint8))
        # The rows in which a basis of a layer moves anything that is needed.
        used = (np.abs(self._fields).max(axis=(3, 4)) > 0) & need.any(axis=2)[:, None]
        first, last = used.argmax(axis=2), used.shape[2] - used[:, :, ::-1].argmax(axis=2)
        bounds = np.where(used.any(axis=2)[..., None], np.stack([first, last], axis=-1), 0)
        self._rows = np.ascontiguousarray(bounds.astype(np.int32))

    def _textures(self, yuv: NDArray[np.uint8]) -> None:
        frame, (left, top), (width, height), scale = self.frame, self.origin, self.shape, self.scale
        columns, rows = width * scale, height * scale
        # Every scale-th texel is a pixel of the picture, so what doesn't move isn't resampled at all.
        to_picture = np.array([[1 / scale, 0, left], [0, 1 / scale, top]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        base = np.asarray(
            cv2.warpAffine(yuv, to_picture, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        px, py = np.meshgrid(np.arange(columns, dtype=np.float32) / scale, np.arange(rows, dtype=np.float32) / scale)
        points = np.stack([px + left, py + top], axis=-1)
        x, y = frame.to_mouth(points)
        open_ = frame.gap > 0.01
        soft = max(frame.unit / 1.3, 1.0)
        inside = 1 - step(0.96, 1.03, np.abs(x))
        if open_:
            base = _unsmiled(frame, base, x, y)
            rim = cv2.blur(yuv, (int(0.06 * frame.unit) * 2 + 1,) * 2)
        layers = []
        for sign, curve in ((1, frame.upper), (-1, frame.lower)):
            edge = frame.at(curve, x) - sign * frame.cut * inside
            beyond = (y - edge) * sign
            alpha = np.clip(0.5 - beyond * soft, 0, 1)
            if sign > 0:
                alpha = np.maximum(alpha, 1 - inside)
            colour = base.copy()
            # Past the edge the lip's own colour goes on, so that no tooth shines through its rim.
            past = (beyond > -0.5 / soft) & (np.abs(x) < 1.03) & (np.abs(y) < 1.5)
            if open_ and past.any():
                here = frame.to_pixels(x[past], edge[past] - sign * 0.5 / soft)
                at = here[None].astype(np.float32)
                for start in range(0, at.shape[1], 30000):
                    piece = at[:, start : start + 30000]
                    got = cv2.remap(rim, piece[..., 0], piece[..., 1], cv2.INTER_LINEAR)
                    chosen = np.flatnonzero(past)[start : start + 30000]
                    colour.reshape(-1, 3)[chosen] = got[0]
            if open_:
                # Between closed lips there is a dark line, which an open mouth doesn't bring along.
                line = np.exp(-((beyond / 0.05) ** 2)) * inside * (0.30 if sign > 0 else 0.16)
                colour[..., 0] = (16 + (colour[..., 0] - 16.0) * (1 - line) + 0.5).astype(np.uint8)
            layers.append(pack(colour, alpha * 255))
        self._layers = np.ascontiguousarray(np.stack(layers))
        self._kind = np.stack([_kinds(layer) for layer in self._layers])

    def poses(self, track: MouthTrack) -> MouthPoses:
        coefs = coefficients(self.frame, track)
        moved = self._edge_points[None] + np.einsum("fk,lkpc->flpc", coefs, self._edge_fields[..., :2])
        edges = np.empty((len(coefs), 2, len(EDGES)), np.float32)
        for i, frame in enumerate(moved):
            for layer in range(2):
                edges[i, layer] = np.interp(EDGES, frame[layer, :-2, 0], frame[layer, :-2, 1])
        half = (moved[:, 0, -1, 0] - moved[:, 0, -2, 0]) / 2
        scale = self._inside.scale
        jaw, tongue = coefs[:, BASES.index("jaw")], np.clip(track["tongue"], 0, 1)
        place = np.empty((len(coefs), 3, 4), np.float32)
        place[:, :, 0] = place[:, :, 2] = scale
        place[:, :, 1] = LEFT * scale
        down = np.stack([0.36 * jaw * (1 - 0.8 * tongue) - 0.06 * tongue, 0.88 * jaw, np.zeros_like(jaw)], axis=1)
        place[:, :, 3] = (TOP - down) * scale
        return MouthPoses(coefs, edges, np.maximum(half, 0.1).astype(np.float32), place)

    def draw(self, canvas: Canvas, poses: MouthPoses, index: int) -> None:
        """Draws the whole region, so that nothing of an earlier frame is left in it."""
        _warp.mouth(
            (canvas.y, canvas.u, canvas.v),
            PAD,
            self.origin,
            self.shape,
            self.step,
            self._fields,
            poses.coefficients[index],
            self._rows,
            self._need,
            self._layers,
            self.scale,
            self._kind,
            self._inside.textures,
            poses.place[index],
            self._affine,
            poses.edges[index],
            np.array([*self._inside.cavity, poses.half_widths[index]], np.float32),
        )


def _unsmiled(frame: MouthFrame, texture: NDArray[np.uint8], x: Array, y: Array) -> NDArray[np.uint8]:
    """An open mouth's surroundings without the dark of its corners and with softer smile folds."""
    texture = texture.copy()
    scale = texture.shape[1] / max(float(np.ptp(x)) * frame.unit, 1.0)
    for side in (-1, 1):
        # The corners' dark reaches further out than the landmarks.
        near = (np.abs(x - side * 1.02) < 0.24) & (np.abs(y - frame.at(frame.line, x)) < 0.20)
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        if not len(rows):
            continue
        grow = 6
        window = (
            slice(max(rows[0] - grow, 0), rows[-1] + grow + 1),
            slice(max(columns[0] - grow, 0), columns[-1] + grow + 1),
        )
        part, zone = texture[window], near[window]
        dark = zone & (part[..., 0] < 0.74 * np.percentile(part[..., 0][zone], 80))
        inside = (np.abs(x[window]) < 1.0) & (y[window] > frame.at(frame.upper, x[window]) - 0.05)
        inside &= y[window] < frame.at(frame.lower, x[window]) + 0.05
        mask = cv2.dilate((dark | (inside & zone)).astype(np.uint8), np.ones((3, 3), np.uint8))
        texture[window] = cv2.inpaint(np.ascontiguousarray(part), mask, 3, cv2.INPAINT_TELEA)
    if frame.smile > 0:
        rows, columns = texture.shape[:2]
        quarter = cv2.resize(texture[..., 0], (max(columns // 4, 1), max(rows // 4, 1)), interpolation=cv2.INTER_AREA)
        quarter = cv2.GaussianBlur(quarter, (0, 0), max(0.04 * frame.unit * scale, 0.5))
        soft = cv2.resize(quarter, (columns, rows), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        fold = np.exp(-(((np.abs(x) - 1.45) / 0.35) ** 2) - ((y + 0.35) / 0.55) ** 2) * 0.55 * frame.smile
        luma = texture[..., 0].astype(np.float32)
        texture[..., 0] = np.clip(luma + fold * np.maximum(soft - luma, 0) + 0.5, 0, 255).astype(np.uint8)
    return texture


def _kinds(layer: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """What alpha is in and around each 8x8 texels: 0 none, 1 mixed, 2 opaque."""
    opacity = (layer >> 24).astype(np.uint8)
    rows, columns = opacity.shape
    opacity = np.pad(opacity, ((0, -rows % 8), (0, -columns % 8)), mode="edge")
    blocks = opacity.reshape(opacity.shape[0] // 8, 8, opacity.shape[1] // 8, 8)
    around = np.ones((3, 3), np.uint8)
    most = cv2.dilate(np.ascontiguousarray(blocks.max(axis=(1, 3))), around)
    least = cv2.erode(np.ascontiguousarray(blocks.min(axis=(1, 3))), around)
    return np.where(least == 255, 2, np.where(most == 0, 0, 1)).astype(np.uint8)


def _region(frame: MouthFrame, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Even left, top and width, height of everything that the mouth moves, inside the picture."""
    philtrum = float(frame.upper[len(frame.upper) // 2]) - frame.nose
    x = np.array([-2.5, 2.5, -2.5, 2.5], np.float32)
    y = np.array([frame.nose - 0.45 * philtrum - 0.3] * 2 + [frame.chin + 1.75] * 2, np.float32)
    corners = frame.to_pixels(x, y)
    low = np.clip(np.floor(corners.min(axis=0)), 0, size - 8).astype(int) // 2 * 2
    high = np.clip(np.ceil(corners.max(axis=0)), low + 8, size).astype(int)
    shape = (high - low) // 2 * 2
    return (int(low[0]), int(low[1])), (int(shape[0]), int(shape[1]))

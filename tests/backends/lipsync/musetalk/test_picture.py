"""Boxes, masks, the cut and the paste: as the reference's own code has them, and where it is at fault, better."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from deployments.backends.lipsync.meshwarp.portrait import BT601, i420
from deployments.backends.lipsync.musetalk import mask
from deployments.backends.lipsync.musetalk.avatar import cut_out
from deployments.backends.lipsync.musetalk.box import Box, face_box, square_around, with_chin
from deployments.backends.lipsync.musetalk.generator import masked, shown
from deployments.backends.lipsync.musetalk.labels import Parsing
from deployments.backends.lipsync.musetalk.landmarks import sixty_eight
from deployments.backends.lipsync.musetalk.paste import Patch, blend, to_bytes
from deployments.backends.lipsync.musetalk.resampling import lanczos, matrix, triangle
from pipeline.media.steadying import steadied
from tests.goldens import checks, golden


def frame() -> np.ndarray:
    """(288, 320, 3), in the order of the goldens' channels."""
    y, x, c = np.mgrid[:288, :320, :3]
    return ((3 * x + 2 * y + 70 * c + 60 * ((x // 16 + y // 16) % 2)) % 256).astype(np.uint8)


def test_boxes_are_the_references() -> None:
    listed = golden("musetalk_crop_box")
    height = int(listed["frame_hw"][0])
    detector = Box(*map(float, listed["detector_box"]))
    for number, name in enumerate(listed["case_names"]):
        points, shift = np.trunc(listed["landmarks"][number]).astype(np.float64), int(listed["bbox_shift"][number])
        box = face_box(points, shift) or detector
        assert box.rounded() == tuple(listed["box_v10"][number]), name
        if shift == 0:
            assert with_chin(box, 10, height).rounded() == tuple(listed["box_v15"][number]), name


def test_masks_are_the_references() -> None:
    listed = golden("musetalk_parsing_masks")
    labels = listed["label_map"]
    assert np.array_equal(mask.cone(), listed["cone_kernel"])
    assert np.array_equal(mask.cheek(), listed["cheek_kernel"])
    cases: list[tuple[str, mask.Mode, int]] = [
        ("mask_raw", "raw", 90),
        ("mask_neck", "neck", 90),
        ("mask_jaw_cheek90", "jaw", 90),
        ("mask_jaw_cheek80", "jaw", 80),
    ]
    for name, mode, cheeks in cases:
        found = mask.replaced(labels, mode, cheeks)
        assert np.array_equal(np.packbits(found > 0, axis=1), listed[f"{name}_packbits"]), name
        assert set(np.unique(found)) == {0, 255}


@pytest.mark.parametrize("name", ["inside", "crop_over_left_top", "crop_over_right_bottom", "box_over_right_edge"])
@pytest.mark.parametrize(("mode", "speed"), [("jaw", "offline"), ("jaw", "realtime"), ("raw", "offline")])
def test_paste_back_is_the_references(name: str, mode: Any, speed: str) -> None:
    """Through the very patch that a frame is drawn with, its three channels taken for what they are."""
    listed = golden("musetalk_paste_back")
    if f"{name}_{mode}_crop_box" not in listed:
        assert mode == "raw"
        return
    whole = tuple(int(edge) for edge in listed["boxes"][list(listed["box_names"]).index(name)])
    square = square_around(whole)  # ty: ignore
    assert square == tuple(listed[f"{name}_{mode}_crop_box"])
    fade = {"offline": 0.05, "realtime": 0.1}[speed]
    kernel = listed[f"{name}_{mode}_kernel_offline_realtime"][0 if speed == "offline" else 1]
    assert mask.fade_size(square[2] - square[0], fade) == kernel
    labels = golden("musetalk_parsing_masks")["label_map"]
    soft = mask.faded(mask.replaced(labels, mode), square, whole, fade)  # ty: ignore
    assert np.array_equal(soft, listed[f"{name}_{mode}_mask_{speed}"])

    picture = frame()
    x0, y0, x1, y1 = whole
    y, x, c = np.mgrid[: y1 - y0, : x1 - x0, :3]
    face = (255 - ((2 * x + 3 * y + 50 * c) % 256)).astype(np.float32)
    box = Box(*map(float, whole))
    patch = Patch.of(picture, box, soft, square, 256, "cpu")
    assert patch is not None
    inside = torch.zeros(1, 3, *patch.alpha.shape)
    h, w = min(y1, 288) - y0, min(x1, 320) - x0
    dx, dy = x0 - patch.x, y0 - patch.y
    inside[0, :, dy : dy + h, dx : dx + w] = torch.from_numpy(face[:h, :w].transpose(2, 0, 1).copy())
    drawn = to_bytes(blend(patch.behind.float(), inside, patch.alpha))[0].numpy().transpose(1, 2, 0)
    found = picture.copy()
    found[patch.y : patch.y + drawn.shape[0], patch.x : patch.x + drawn.shape[1]] = drawn
    a, b, e, f = listed[f"{name}_{mode}_roi_x0y0x1y1"]
    assert np.array_equal(found[b:f, a:e], listed[f"{name}_{mode}_{speed}_roi"])
    outside = found.copy()
    outside[b:f, a:e] = picture[b:f, a:e]
    assert np.array_equal(outside, picture)


def test_the_cut_is_the_references() -> None:
    """A level apart at most: OpenCV's kernel is in fixed point."""
    listed = golden("musetalk_paste_back")
    box = Box(*map(float, listed["boxes"][0]))
    found = cut_out(frame(), box, 256)
    wanted = golden("musetalk_image_io")["lanczos4_256"].astype(np.float32)
    assert np.abs(np.rint(found).transpose(1, 2, 0)[::2, ::2] - wanted).max() <= 1


def test_what_the_autoencoder_is_shown_is_the_references() -> None:
    listed = golden("musetalk_image_io")
    x0, y0, x1, y1 = golden("musetalk_paste_back")["boxes"][0]
    bgr = cv2.resize(frame()[y0:y1, x0:x1], (256, 256), interpolation=cv2.INTER_LANCZOS4)
    rgb = torch.from_numpy(bgr[..., ::-1].transpose(2, 0, 1).astype(np.float32))[None]
    for name, faces in (("full", rgb), ("masked", masked(rgb))):
        assert np.abs(shown(faces)[0, :, ::16, ::16].numpy() - listed[f"{name}_rgb_stride16"]).max() < 1e-6, name


def test_what_the_parsing_network_is_shown_is_the_references() -> None:
    square = Box(*map(float, checks("musetalk")["paste_crop_over_left_top_jaw"]["crop_box"]))
    found = Parsing.shown(np.ascontiguousarray(frame()[..., ::-1]), square)
    assert np.abs(found[:, ::16, ::16] - golden("musetalk_image_io")["parser_input_stride16"]).max() < 1e-6


def test_resampling_agrees_with_torch_and_keeps_ramps() -> None:
    values = torch.rand(1, 1, 256, 256, dtype=torch.float64)
    for size in (97, 180, 256, 300):
        weights = torch.from_numpy(matrix(256, 0, 256 / size, size, triangle))
        wanted = torch.nn.functional.interpolate(values, (size, size), mode="bilinear", antialias=True)
        found = weights @ values @ weights.T
        # Beyond the edge torch sees nothing, and this the nearest pixel.
        assert torch.allclose(found[..., 3:-3, 3:-3], wanted[..., 3:-3, 3:-3], atol=1e-9)
    ramp = np.arange(64) + 0.5
    for kernel in (triangle, lanczos):
        found = matrix(64, 20.3, 0.61, 30, kernel) @ ramp
        assert np.abs(found - (20.3 + (np.arange(30) + 0.5) * 0.61)).max() < (1e-9 if kernel is triangle else 0.02)


def test_a_box_may_lie_between_pixels() -> None:
    """A face moved by a third of a pixel is cut out the same, and not by whole pixels."""
    y, x = np.mgrid[:200, :200].astype(np.float64)

    def ball(shift: float) -> np.ndarray:
        value = 128 + 100 * np.sin((x - shift) / 9) * np.cos(y / 11)
        return np.repeat(value[..., None], 3, axis=2)

    still = cut_out(ball(0), Box(50, 50, 150, 150), 128)
    moved = cut_out(ball(1 / 3), Box(50 + 1 / 3, 50, 150 + 1 / 3, 150), 128)
    inner = (slice(None), slice(16, -16), slice(16, -16))
    assert np.abs(still - moved)[inner].max() < 0.5
    assert np.abs(still - cut_out(ball(1 / 3), Box(50, 50, 150, 150), 128))[inner].max() > 2


def test_landmarks_are_steadied_without_lag_and_without_bridging_gaps() -> None:
    rng = np.random.default_rng(3)
    time = np.arange(60)[:, None, None]
    path = 100 + 2.5 * time + 0.04 * time**2 + np.zeros((60, 478, 2))
    exact = steadied(list(path))
    assert np.abs(np.stack([mesh for mesh in exact if mesh is not None]) - path).max() < 1e-9
    noisy: list[Any] = list(path + rng.normal(0, 1, path.shape))
    noisy[20] = noisy[21] = None
    found = steadied(noisy)
    assert [mesh is None for mesh in found] == [mesh is None for mesh in noisy]
    left = np.stack([mesh - path[i] for i, mesh in enumerate(found) if mesh is not None])
    assert left.std() < 0.65
    assert np.diff(left, axis=0).std() < 0.5 * np.sqrt(2), "less than half as much from frame to frame"
    assert len(steadied([None, path[0], None])) == 3


def test_the_box_of_a_mesh_reaches_from_jaw_to_jaw(astronaut: np.ndarray) -> None:
    from tests.backends.lipsync.photo import photo

    _, face = photo()
    points = sixty_eight(face.landmarks[:, :2].astype(np.float64))
    assert points.shape == (68, 2)
    box = face_box(points)
    assert box is not None
    mesh = face.landmarks
    assert box.x0 <= mesh[234, 0]
    assert box.x1 >= mesh[454, 0]
    assert abs(box.y1 - mesh[152, 1]) < 1
    assert mesh[168, 1] < points[29, 1] < mesh[2, 1], "between the eyes' bridge and the base of the nose"


def test_planes_are_those_that_frames_have_been_before() -> None:
    picture = cv2.transform(frame(), BT601)
    planes = i420(np.asarray(picture, np.uint8))
    assert planes.shape == (432, 320)
    back = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)
    assert np.abs(back.astype(int).mean() - frame().astype(int).mean()) < 4

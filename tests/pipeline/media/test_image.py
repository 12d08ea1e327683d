from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.errors import InvalidImage
from pipeline.media.image import BACKGROUND, MAX_SIDE, decode_picture, encode_png

FORMATS: list[tuple[str, dict[str, Any]]] = [
    ("PNG", {}),
    ("JPEG", {"quality": 95}),
    ("JPEG", {"progressive": True, "quality": 95}),
    ("WEBP", {"quality": 95}),
    ("WEBP", {"lossless": True}),
    ("AVIF", {"quality": 95}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_deflate"}),
    ("GIF", {}),
]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut()[:300, 100:340])


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def refused(data: bytes, **options: Any) -> InvalidImage:
    with pytest.raises(InvalidImage) as caught:
        decode_picture(data, field="portrait", **options)
    assert caught.value.field == "portrait"
    assert caught.value.accepted
    return caught.value


def differs(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


@pytest.mark.parametrize(("format", "options"), FORMATS)
def test_every_format(photo: Image.Image, format: str, options: dict[str, Any]) -> None:
    picture = decode_picture(encoded(photo, format, **options))
    assert picture.shape == (300, 240, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous
    assert picture.flags.writeable
    assert differs(picture, np.asarray(photo)) < (8 if format == "GIF" else 3)


@pytest.mark.parametrize(("format", "options"), FORMATS)
@pytest.mark.parametrize("share", [0.98, 0.5, 0.05])
def test_cut_short(photo: Image.Image, format: str, options: dict[str, Any], share: float) -> None:
    data = encoded(photo, format, **options)
    error = refused(data[: int(len(data) * share)])
    # Compressed TIFF keeps its directory at the end, and without it there is no telling what it was.
    assert error.code == "truncated_image" or (format == "TIFF" and error.code == "corrupt_image")


def test_half_a_jpeg_with_an_end_marker(photo: Image.Image) -> None:
    data = encoded(photo, "JPEG")
    assert refused(data[: len(data) // 2] + b"\xff\xd9").code == "truncated_image"


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "YCbCr", "I", "F", "LAB"])
def test_every_mode(photo: Image.Image, mode: str) -> None:
    image = photo.convert("L").convert(mode) if mode in "IF" else photo.convert(mode)
    picture = decode_picture(encoded(photo.quantize(256) if mode == "P" else image, "TIFF"))
    grey = mode in ("L", "1", "LA", "I", "F")
    expected = np.asarray(photo.convert("L").convert("RGB") if grey else photo)
    if mode == "1":
        picture, expected = cv2.blur(picture, (15, 15)), cv2.blur(expected, (15, 15))
    assert differs(picture, expected) < (8 if mode in ("1", "P") else 2)


def test_sixteen_bits(photo: Image.Image) -> None:
    deep = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_picture(encoded(Image.fromarray(deep)))[:, :, 1], deep // 257)
    np.testing.assert_array_equal(decode_picture(encoded(Image.fromarray(deep), "TIFF"))[:, :, 1], deep // 257)
    colour = np.asarray(photo).astype(np.uint16) * 257
    data = cv2.imencode(".png", colour[:, :, ::-1])[1].tobytes()
    assert differs(decode_picture(data), np.asarray(photo)) < 1


@pytest.mark.parametrize(("scale", "shift"), [(1 / 255, 0), (1, 0), (0.04, -3), (1000, 5)])
def test_floats(photo: Image.Image, scale: float, shift: float) -> None:
    grey = np.asarray(photo.convert("L")).astype(np.float32)
    picture = decode_picture(encoded(Image.fromarray(grey * scale + shift), "TIFF"))
    assert np.corrcoef(picture[:, :, 0].ravel(), grey.ravel())[0, 1] > 0.999
    if shift == 0:
        assert differs(picture[:, :, 0], grey) < 1
    else:
        assert (picture.min(), picture.max()) == (0, 255)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_none(photo: Image.Image, value: float) -> None:
    grey = np.asarray(photo.convert("L")).astype(np.float32)
    grey[5, 5] = value
    assert refused(encoded(Image.fromarray(grey), "TIFF")).code == "non_finite"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(photo: Image.Image, orientation: int) -> None:
    """The tag says how the stored picture is to be turned; stored the other way round, all come out alike."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = photo.transpose(undo[orientation]) if orientation in undo else photo
    exif = Image.Exif()
    exif[0x0112] = orientation
    for format, options in (("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})):
        picture = decode_picture(encoded(stored, format, exif=exif, **options))
        assert differs(picture, np.asarray(photo)) < 3, format


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparency_shows_a_neutral_grey(photo: Image.Image, format: str) -> None:
    clear = photo.convert("RGBA")
    clear.putalpha(Image.fromarray(np.repeat(np.array([0, 255], np.uint8), 150)[:, None].repeat(240, 1)))
    picture = decode_picture(encoded(clear, format))
    assert differs(picture[:140], np.full((140, 240, 3), BACKGROUND)) < 1
    assert differs(picture[160:], np.asarray(photo)[160:]) < 4


def test_transparency_of_a_palette(photo: Image.Image) -> None:
    flat = photo.quantize(16)
    flat.info["transparency"] = int(np.asarray(flat)[0, 0])
    picture = decode_picture(encoded(flat))
    assert tuple(picture[0, 0]) == BACKGROUND


def test_colour_profiles_are_converted(photo: Image.Image) -> None:
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    plain = decode_picture(encoded(photo))
    tagged = decode_picture(encoded(photo, icc_profile=ImageCms.ImageCmsProfile(srgb).tobytes()))
    assert differs(plain, tagged) < 1
    # A profile for another kind of pixels can't apply, and bytes that are no profile are ignored.
    np.testing.assert_array_equal(
        decode_picture(encoded(photo, icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())), plain
    )
    np.testing.assert_array_equal(decode_picture(encoded(photo, icc_profile=b"no profile")), plain)


def test_the_first_frame_of_an_animation_counts(photo: Image.Image) -> None:
    black = Image.new("RGB", photo.size)
    for format in ("GIF", "WEBP", "PNG"):
        data = encoded(photo, format, save_all=True, append_images=[black, black])
        assert differs(decode_picture(data), np.asarray(photo)) < 8, format


def header(width: int, height: int) -> bytes:
    """A PNG that says it is that large and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
    return start + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def test_sizes_are_read_before_anything_is_allocated(photo: Image.Image) -> None:
    webp = b"RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00" + b"\xfe\x3f\x00" * 2 + bytes(8)
    jpeg = bytearray(encoded(photo, "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 50_000, 50_000)
    bmp = bytearray(encoded(photo, "BMP"))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    gif = bytearray(encoded(photo, "GIF"))
    gif[6:10] = struct.pack("<HH", 50_000, 50_000)
    tracemalloc.start()
    for data in (header(50_000, 50_000), header(2**31 - 1, 2**31 - 1), webp, bytes(jpeg), bytes(bmp), bytes(gif)):
        assert refused(data).code == "too_many_pixels"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_limits() -> None:
    data = encoded(Image.new("RGB", (200, 100), "red"))
    assert refused(data, max_pixels=19_999).code == "too_many_pixels"
    assert decode_picture(data, max_pixels=20_000).shape == (100, 200, 3)
    assert refused(encoded(Image.new("RGB", (63, 500)))).code == "too_small"
    assert refused(encoded(Image.new("RGB", (64, 6000)))).code == "too_small"
    assert decode_picture(encoded(Image.new("RGB", (64, 64)))).shape == (64, 64, 3)


@pytest.mark.parametrize(("mode", "format"), [("RGB", "JPEG"), ("RGB", "PNG"), ("P", "PNG"), ("I;16", "PNG")])
def test_large_ones_are_reduced(photo: Image.Image, mode: str, format: str) -> None:
    small = photo.convert("L").convert("I").convert("I;16") if mode == "I;16" else photo
    large = small.resize((MAX_SIDE + 904, 400), Image.Resampling.NEAREST)
    picture = decode_picture(encoded(large if mode in ("RGB", "I;16") else large.convert(mode), format))
    assert picture.shape == (round(400 * MAX_SIDE / (MAX_SIDE + 904)), MAX_SIDE, 3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"hello, world" * 50, "not_image"),
        (b"%PDF-1.7 and so on", "not_image"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_image"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "unsupported_image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "corrupt_image"),
    ],
)
def test_refused(data: bytes, code: str) -> None:
    assert refused(data).code == code


def test_damaged_bytes_decode_or_are_refused(photo: Image.Image) -> None:
    chance = np.random.default_rng(1)
    small = photo.resize((80, 80))
    outcomes = set()
    for format, options in FORMATS:
        data = encoded(small, format, **options)
        for _ in range(40):
            broken = bytearray(data)
            for at in chance.integers(0, min(len(data), 300), 6):
                broken[at] = chance.integers(256)
            try:
                assert decode_picture(bytes(broken)).dtype == np.uint8
                outcomes.add("ok")
            except InvalidImage as error:
                outcomes.add(error.code)
    assert {"ok", "corrupt_image", "too_many_pixels"} <= outcomes


def test_png_keeps_every_pixel_and_its_bytes(photo: Image.Image) -> None:
    picture = np.array(photo)
    data = encode_png(picture)
    np.testing.assert_array_equal(decode_picture(data), picture)
    assert encode_png(picture[:, ::-1][:, ::-1]) == data

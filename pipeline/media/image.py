"""Pictures in and out: the only place that decodes or encodes a still image."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.contracts import Picture
from pipeline.errors import InvalidImage
from pipeline.media import sniff

if TYPE_CHECKING:
    from PIL import Image, ImageFile

ACCEPTED: Final = "a PNG, JPEG, WebP, AVIF, BMP, TIFF or GIF picture"
MIN_SIDE: Final = 64
"""Pixels; a face that can be animated does not fit in less."""
MAX_SIDE: Final = 4096
"""Pixels; the longer side of what is worked on. Larger pictures are reduced to it while decoding."""
MAX_PIXELS: Final = 50_000_000
"""The default of `max_pixels`: what a phone takes, far below what fills a machine."""
BACKGROUND: Final = (200, 200, 200)
"""RGB behind transparent parts: a studio's grey, so that neither dark nor light hair melts into it."""

_PLUGINS: Final = {
    "image/png": ("PngImagePlugin", "PngImageFile"),
    "image/jpeg": ("JpegImagePlugin", "JpegImageFile"),
    "image/webp": ("WebPImagePlugin", "WebPImageFile"),
    "image/avif": ("AvifImagePlugin", "AvifImageFile"),
    "image/bmp": ("BmpImagePlugin", "BmpImageFile"),
    "image/tiff": ("TiffImagePlugin", "TiffImageFile"),
    "image/gif": ("GifImagePlugin", "GifImageFile"),
}

# What Pillow's parsers raise on damaged bytes, as met by fuzzing; each means that this file can't be read.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    AssertionError,
    RuntimeError,
    UnboundLocalError,
    struct.error,
    zlib.error,
)

# The filters of `warnings` belong to the whole process: one picture at a time may change them.
_WARNINGS: Final = threading.Lock()


def decode_picture(data: bytes, *, field: str = "portrait", max_pixels: int = MAX_PIXELS) -> Picture:
    """Any common still picture as (height, width, 3) uint8 sRGB, upright, at most MAX_SIDE a side.

    The first frame of an animation and the first page of a document count. EXIF orientation is applied,
    transparency is composited on BACKGROUND, embedded colour profiles are converted to sRGB (a damaged
    profile is ignored, as every viewer does). 16-bit grey is scaled to 8 bits, floats in 0..1 or 0..255 are
    taken as they are and any other range is stretched from its minimum to its maximum.

    Raises `InvalidImage` with code empty, not_image, unsupported_image (a kind that is not read here),
    too_many_pixels (the header says so; nothing was allocated), too_small, truncated_image, corrupt_image
    or non_finite (NaN or infinity in a float picture).
    """
    if not data:
        raise InvalidImage("The picture is empty: 0 bytes.", code="empty", field=field, accepted=ACCEPTED)
    found = sniff.kind(data)
    if found not in _PLUGINS:
        known = found is not None and found.startswith("image/")
        raise InvalidImage(
            f"Pictures of kind {found} are not read here." if known else f"Not a picture: {found or 'unknown bytes'}.",
            code="unsupported_image" if known else "not_image",
            field=field,
            accepted=ACCEPTED,
        )
    _check_size(_canvas(data, found), field, max_pixels)
    if _cut_short(data, found):
        raise _damaged(found, EOFError(), field)
    # Pillow warns of every oddity (damaged EXIF, strange tags); what matters here is whether pixels come out.
    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = _open(data, found)
            _check_size(image.size, field, max_pixels)
            if found == "image/jpeg":
                # Decoding at a half or less is much cheaper than decoding all and reducing.
                image.draft(None, (MAX_SIDE, MAX_SIDE))
            image.load()
            if found == "image/jpeg" and _grey_below(image):
                raise _damaged(found, EOFError(), field)
            return _pixels(_reduced(_upright(image)), field)
        except _DAMAGE as error:
            raise _damaged(found, error, field) from error


def encode_png(picture: Picture) -> bytes:
    """`picture`, (height, width, 3) uint8 RGB, as a PNG file; the same pixels give the same bytes."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, "PNG", compress_level=6)
    return out.getvalue()


def _canvas(data: bytes, found: str) -> tuple[int, int] | None:
    """The size in a WebP header: Pillow's WebP reader allocates the canvas as it opens the file."""
    if found != "image/webp" or len(data) < 30 or data[12:16] != b"VP8X":
        return None
    return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1


def _cut_short(data: bytes, found: str) -> bool:
    """Whether a WebP or AVIF file says that it is longer: their decoders don't tell that from other damage."""
    if found == "image/webp":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if found != "image/avif":
        return False
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False  # 0 is "to the end"; anything else is damage that the decoder will name
        at += size
    return at != len(data)


def _grey_below(image: Image.Image) -> bool:
    """Whether a JPEG stopped early, but with an end marker: its decoder fills the rest with level 128 and says nothing.

    An eighth of the height of nothing but that level does not come from a camera.
    """
    if image.mode not in ("RGB", "L"):
        return False
    below = image.crop((0, image.height * 7 // 8, image.width, image.height))
    return all(below.getchannel(band).getextrema() == (128, 128) for band in below.getbands())


def _check_size(size: tuple[int, int] | None, field: str, max_pixels: int) -> None:
    if size is None:
        return
    width, height = size
    if width * height > max_pixels:
        raise InvalidImage(
            f"The picture is {width} x {height} pixels, {width * height / 1e6:.0f} million.",
            code="too_many_pixels",
            field=field,
            accepted=f"at most {max_pixels / 1e6:g} million pixels",
        )
    # What reduction leaves of the shorter side counts: a strip has no room for a face.
    if min(width, height) * min(1.0, MAX_SIDE / max(width, height, 1)) < MIN_SIDE:
        raise InvalidImage(
            f"The picture is {width} x {height} pixels.",
            code="too_small",
            field=field,
            accepted=f"at least {MIN_SIDE} pixels a side",
        )


def _open(data: bytes, found: str) -> ImageFile.ImageFile:
    """The plugin of one format, by itself: `Image.open` would warn on sizes that are refused here anyway."""
    from importlib import import_module

    module, name = _PLUGINS[found]
    return getattr(import_module(f"PIL.{module}"), name)(io.BytesIO(data))


def _damaged(found: str, error: Exception, field: str) -> InvalidImage:
    text = str(error).lower()
    name = found.removeprefix("image/").upper()
    if isinstance(error, EOFError) or any(word in text for word in ("truncated", "not enough", "premature")):
        code, message = "truncated_image", f"The {name} picture ends before its pixels do."
    elif any(word in text for word in ("pixel mode", "unsupported", "not supported")):
        code, message = "unsupported_image", f"{name} pictures of this variant are not read here ({error})."
    else:
        code, message = "corrupt_image", f"The {name} picture can't be read: {error or type(error).__name__}."
    return InvalidImage(message, code=code, field=field, accepted=ACCEPTED)


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _reduced(image: Image.Image) -> Image.Image:
    """At most MAX_SIDE a side, by box averaging to within a factor of two and Lanczos after that."""
    if max(image.size) <= MAX_SIDE:
        return image
    from PIL import Image

    scale = MAX_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if image.mode in ("1", "P"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    filtered = Image.Resampling.BOX if image.mode.startswith(("I", "F")) else Image.Resampling.LANCZOS
    return image.resize(size, filtered, reducing_gap=None if image.mode.startswith("I;") else 2.0)


def _pixels(image: Image.Image, field: str) -> Picture:
    if image.mode.startswith(("I", "F")):
        grey = _eight_bits(np.asarray(image), image.mode, field)
        return np.repeat(grey[:, :, None], 3, axis=2)
    from PIL import Image

    image = _srgb(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image)
    return np.array(image.convert("RGB"))


def _eight_bits(values: np.ndarray[Any, Any], mode: str, field: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if mode.startswith("I;16"):
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise InvalidImage(
            "The picture holds NaN or infinity.", code="non_finite", field=field, accepted="finite pixel values"
        )
    low, high = float(numbers.min()), float(numbers.max())
    if mode.startswith("F") and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    elif mode == "I" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    return np.round((numbers - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _srgb(image: Image.Image) -> Image.Image:
    """Converted from the embedded profile (P3 of phones, CMYK of print) where there is one."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = "RGBA" if image.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if converted is None else converted

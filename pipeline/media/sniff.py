"""What kind of media some bytes are, by their content alone: names and declared types are never believed."""

from __future__ import annotations

from typing import Final

# filetype's names that are not the registered ones.
_RENAMED: Final = {
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "image/apng": "image/png",
    "video/x-m4v": "video/mp4",
}

_STARTS: Final = {
    b"caff": "audio/x-caf",
    b".snd": "audio/basic",
    b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb": "audio/x-w64",
}

# Brands of ISO base media files (ISO/IEC 14496-12, registered at mp4ra.org); any other brand is video/mp4.
_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}


def kind(data: bytes) -> str | None:
    """The media type, such as `image/png`, `audio/wav` or `video/mp4`; None for what is no known file.

    Only the first bytes are read, so a whole file is not needed; 512 are enough except after an ID3 tag.
    A right answer does not promise that the rest can be decoded.
    """
    head = bytes(data[:512])
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[4:8] == b"ftyp":
        return _base_media(head)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    for start, name in _STARTS.items():
        if head.startswith(start):
            return name
    if head[:3] == b"ID3" and len(head) >= 10:
        return _after_id3(data, head)
    raw = _raw_audio(head)
    if raw is not None:
        return raw

    import filetype

    found = filetype.guess_mime(head)
    if found is None or not found.startswith(("image/", "audio/", "video/")):
        return found
    return _RENAMED.get(found, found)


def _base_media(head: bytes) -> str:
    size = min(int.from_bytes(head[:4], "big"), len(head))
    # The major brand, then the compatible ones: "mif1" says only "a picture"; AVIF may stand further on.
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    known = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    if brands[0] in (b"mif1", b"msf1") and "image/avif" in known:
        return "image/avif"
    return _BRANDS.get(brands[0], "video/mp4")


def _after_id3(data: bytes, head: bytes) -> str:
    # The tag's length is four groups of seven bits (ID3v2.4 structure, section 3.1).
    length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    rest = bytes(data[10 + length : 14 + length])
    if rest == b"fLaC":
        return "audio/flac"
    return _raw_audio(rest) or "audio/mpeg"


def _raw_audio(head: bytes) -> str | None:
    """MPEG layer II/III or ADTS frames without a container (ISO/IEC 11172-3 2.4.1.3, 13818-7 6.2.1)."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    layer = head[1] >> 1 & 3
    if head[1] & 0xF0 == 0xF0 and layer == 0:
        return "audio/aac" if head[2] >> 2 & 15 < 13 else None
    if head[1] & 0xE0 == 0xE0 and layer in (1, 2) and head[1] >> 3 & 3 != 1:
        return "audio/mpeg" if head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3 else None
    return None

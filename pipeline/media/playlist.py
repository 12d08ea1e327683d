"""HLS media playlists (RFC 8216), as far as one video in one quality needs them."""

from __future__ import annotations

import math
from typing import Final

from pipeline.contracts.playback import Playlist

CONTENT_TYPE: Final = "application/vnd.apple.mpegurl"

VERSION: Final = 7
"""EXT-X-MAP may stand in any playlist from 6 on, and players know fragmented MP4 from 7 on."""

LEAST_TARGET: Final = 15
"""Seconds that a segment lasts at most, as the playlist says: it may not say anything else later, when the last and
longest has come."""


def written(playlist: Playlist) -> str:
    """The playlist, with addresses relative to its own: `header.mp4`, `1.m4s`, `2.m4s` ..."""
    seconds = [frames / playlist.fps for frames in playlist.frames]
    target = max(LEAST_TARGET, *(math.ceil(each) for each in seconds))
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="header.mp4"',
    ]
    for number, each in enumerate(seconds, start=1):
        lines += [f"#EXTINF:{float(each):.6f},", f"{number}.m4s"]
    if playlist.complete:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"

"""Playlists of HLS, line by line as RFC 8216 has them."""

from __future__ import annotations

from fractions import Fraction

from pipeline.contracts.playback import Playlist
from pipeline.media.playlist import written


def test_a_growing_playlist_has_no_end() -> None:
    assert written(Playlist(Fraction(25), (250, 250), complete=False)).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:15",
        "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="header.mp4"',
        "#EXTINF:10.000000,",
        "1.m4s",
        "#EXTINF:10.000000,",
        "2.m4s",
    ]


def test_it_only_gets_longer() -> None:
    """RFC 8216, 6.2.1: of an event no line changes."""
    fps = Fraction(30000, 1001)
    grown = [written(Playlist(fps, (300,) * count, complete=False)) for count in (1, 2, 3)]
    whole = written(Playlist(fps, (300, 300, 300, 449), complete=True))
    for before, after in zip(grown, [*grown[1:], whole], strict=True):
        assert after.startswith(before)
    assert whole.splitlines()[-3:] == ["#EXTINF:14.981633,", "4.m4s", "#EXT-X-ENDLIST"]


def test_no_segment_is_longer_than_the_target() -> None:
    assert "#EXT-X-TARGETDURATION:21\n" in written(Playlist(Fraction(25), (250, 501), complete=True))

"""Scratch folders go with those who use them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.storage.scratch import scratch

KILLED = """
import os, signal
from pipeline.storage.scratch import scratch
with scratch() as folder:
    (folder / "video.mp4").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_goes_with_what_is_in_it(place: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch() as folder:
        (folder / "video.mp4").write_bytes(b"half")
        assert folder.stat().st_mode & 0o777 == 0o700
        raise ZeroDivisionError
    assert not list(place.iterdir())


def test_those_of_the_killed_go_with_the_next_and_those_of_the_living_stay(place: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED], env=os.environ | {"TMPDIR": str(place)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = place.iterdir()
    with scratch() as one:
        assert not left.exists()
        (one / "video.mp4").write_bytes(b"half")
        with scratch() as other:
            assert other != one
        assert (one / "video.mp4").read_bytes() == b"half"


def test_what_others_have_there_stays(place: Path) -> None:
    kept = place / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"whole")
    (place / "mouthpiece-scratch-link").symlink_to(kept)
    (place / "mouthpiece-scratch-file").write_bytes(b"whole")
    with scratch():
        assert (kept / "file").exists()
    assert len(list(place.iterdir())) == 3

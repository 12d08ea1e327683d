"""A file appears whole or not at all, and what can't be written is refused at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.python.output import Output
from pipeline.errors import InvalidRequest


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_it_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with Output(path) as output:
        output.write(b"one ")
        assert not path.exists()
        output.write(b"two")
        assert output.commit() == path
    assert path.read_bytes() == b"one two"
    assert names(tmp_path) == ["a.bin"]
    assert path.stat().st_mode & 0o777 == (tmp_path / "a.bin").stat().st_mode & 0o777


def test_what_was_there_stays_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), Output(path) as output:
        output.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["a.bin"]
    with Output(path) as output:
        output.write(b"after")
        output.commit()
    assert path.read_bytes() == b"after"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"before")
    link = tmp_path / "link"
    link.symlink_to("target")
    with Output(link) as output:
        output.write(b"after")
        output.commit()
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"after"


@pytest.mark.parametrize(
    "path", ["", ".", "no/such/folder/a.mp4", "/dev/null", "/proc/a.mp4", "x" * 300, "file/a.mp4", "nul\0.mp4"]
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequest) as refusal, Output(path):
        pass
    assert refusal.value.field == "output"
    assert names(tmp_path) == ["file"]

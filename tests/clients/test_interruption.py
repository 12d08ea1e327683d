"""Ctrl-C and SIGTERM while a video is made: the job ends, nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from clients.python.client import Client

TEXT = "This sentence is said again and again, so that there is time to stop it. " * 15


def interrupted(folder: Path, number: signal.Signals, arguments: Sequence[str]) -> tuple[int, str, str]:
    """Runs `mouthpiece render` until frames are made, sends it the signal, returns exit code, stdout, stderr."""
    temporary = folder / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "clients.cli.main", "render", "--text", TEXT, "--portrait", "me.png"]
    with subprocess.Popen(
        [*command, *arguments, "-o", "out.mp4"],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(temporary), "HOME": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in the background of a shell ignores the interrupt, and so does all that it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "frames" in line:
                process.send_signal(number)
                break
        out, rest = process.communicate(timeout=60)
    assert list(temporary.iterdir()) == [], "what was being made was left behind"
    return process.returncode, out, "".join(lines) + rest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_by_itself(tmp_path: Path, photo: bytes, number: signal.Signals) -> None:
    (tmp_path / "me.png").write_bytes(photo)
    code, out, err = interrupted(tmp_path, number, ())
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "Error: Interrupted."
    assert "Traceback" not in err
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".mp4", ".part")]


def test_on_a_server(tmp_path: Path, photo: bytes, url: str) -> None:
    (tmp_path / "me.png").write_bytes(photo)
    code, _, err = interrupted(tmp_path, signal.SIGINT, ("--server", url))
    assert code == 130, err
    assert "Traceback" not in err
    with Client(url) as client:
        job = client.videos(1)[0]
        assert job.status == "cancelled", json.dumps(job.model_dump(mode="json"))
        client.delete(job.id)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".mp4", ".part")]

"""`make demo`, interrupted: it ends with a line and not with a traceback, and leaves no server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_stops_the_server(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "clients.demo", str(tmp_path / "demo.mp4")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stderr is not None
        assert "Starting Ray" in demo.stderr.readline()
        while not (servers := psutil.Process(demo.pid).children()):
            assert demo.poll() is None
        demo.send_signal(number)
        said = demo.stderr.read()
        assert demo.wait(120) == 130
    assert said.splitlines()[0] == "Stopping the cluster ..."
    assert said.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in said
    assert not any(server.is_running() for server in servers)
    assert list(tmp_path.iterdir()) == []

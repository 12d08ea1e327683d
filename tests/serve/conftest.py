"""What tests of a running server look at beside its answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Server

SESSION = """
    import json, sys
    import ray
    print(json.dumps(ray.init(address=sys.argv[1], log_to_driver=False).address_info["session_dir"]))
"""


@pytest.fixture(scope="session")
def logs(running: Server) -> Path:
    """The folder in which Ray's processes write their logs."""
    program = [sys.executable, "-c", textwrap.dedent(SESSION), running.urls()["ray"]]
    environment = os.environ | {"RAY_AUTH_MODE": "token"}
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, env=environment, check=True)
    return Path(json.loads(done.stdout)) / "logs"


@pytest.fixture(scope="session")
def removed() -> Iterator[Callable[[Path], None]]:
    """Removes a folder of gigabytes, which may take a minute, while other tests run."""
    removals: list[subprocess.Popen[bytes]] = []
    yield lambda folder: removals.append(subprocess.Popen(["rm", "-r", str(folder)]))
    for removal in removals:
        assert removal.wait(600) == 0

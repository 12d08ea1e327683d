"""The command line against the application on a real Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.clients.conftest import Ran


def test_render_and_status(mouthpiece: Callable[..., Ran], server: str, photo: bytes, tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(photo)
    shape = ("--portrait", tmp_path / "me.png", "--size", "128", "--fps", "10", "--server", server)
    made = mouthpiece("render", "--text", "Hello.", *shape, "-o", tmp_path / "hello.mp4", "--json")
    assert (made.code, made.err) == (0, "")
    assert (tmp_path / "hello.mp4").stat().st_size == made.json["video"]["result"]["bytes"]
    status = mouthpiece("status", "--server", server, "--json").json
    assert status["runtime"] == "cluster"
    found = {part["name"]: part["status"] for part in status["deployments"]}
    assert found.items() >= {"ingress": "HEALTHY", "coordinator": "HEALTHY", "lipsync-meshwarp": "HEALTHY"}.items()
    people = mouthpiece("status", "--server", server)
    assert "voice-espeak\tHEALTHY\t1 running\t0.00 GB" in people.out
    assert "GPU" in people.out

"""The command line against the application on a real Ray cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import dataset as ds

from tests.clients.conftest import Ran

pytestmark = pytest.mark.server


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
    assert "voice-espeak\tHEALTHY\t1 running\t\t" in people.out
    assert "GPU" in people.out


def test_a_detached_video_is_watched_fetched_and_counted(
    mouthpiece: Callable[..., Ran], server: str, photo: bytes, tmp_path: Path
) -> None:
    (tmp_path / "me.png").write_bytes(photo)
    shape = ("--portrait", tmp_path / "me.png", "--size", "128", "--fps", "10", "--server", server)
    left = mouthpiece("render", "--text", "Goodbye for now.", *shape, "--detach", "--priority", "3")
    job = left.out.strip()
    watched = mouthpiece("jobs", "watch", job, "--json", "--server", server)
    assert (watched.code, watched.err) == (0, "")
    states = [json.loads(line) for line in watched.out.splitlines()]
    assert states[-1]["state"] == "completed"
    assert [state["progress"] for state in states] == sorted(state["progress"] for state in states)
    shown = mouthpiece("jobs", "show", job, "--json", "--server", server).json
    assert shown == states[-1]
    assert mouthpiece("jobs", "list", "--limit", "1", "--state", "completed", "--server", server, "--json").json == {
        "data": [shown | {"steps": []}]
    }
    fetched = mouthpiece("videos", "download", job, "-o", tmp_path / "bye.mp4", "--server", server)
    assert (fetched.code, (tmp_path / "bye.mp4").stat().st_size) == (0, shown["result"]["bytes"])
    mouthpiece("usage", "export", "-o", tmp_path / "usage", "--server", server)
    rows = ds.dataset(tmp_path / "usage" / "jobs", partitioning="hive").to_table().to_pylist()
    assert [row["priority"] for row in rows if row["job"] == job] == [3]

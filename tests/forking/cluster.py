"""A driver with a cluster of forked workers of its own; prints what it sees of them as JSON, then stops."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from benchmarks.processes import tree
from deployments import private_ray
from deployments.forking.forked_workers import ForkedWorkers
from deployments.forking.zygote import QUIET_SECONDS

PATIENCE_SECONDS = 60

IMPORTS = ("torch", "no_such_module", "no_such_package.at_all", "asyncio.windows_events", "tabnanny")
"""What else the zygote imports, as far as it can be imported."""


def title(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text().rstrip("\0 ")


class Seen:
    def seen(self) -> dict[str, Any]:
        """Of its own process."""
        import random

        import numpy

        return {
            "process": os.getpid(),
            "parent": os.getppid(),
            "group": os.getpgid(0),
            "folder": str(Path.cwd()),
            "environment": dict(os.environ),
            "path": sys.path,
            "main": sys.modules["__main__"].__file__,
            "title": title(os.getpid()),
            "threads": sys.modules["torch"].get_num_threads() if "torch" in sys.modules else None,
            "imported": [name for name in IMPORTS if name in sys.modules],
            "drawn": [
                ray.WorkerID.from_random().hex(),
                ray.put(0).hex(),
                str(random.random()),
                str(numpy.random.random()),
            ],
        }

    def child(self) -> int:
        """A process that would outlive it."""
        import subprocess

        return subprocess.Popen(["sleep", "600"]).pid


Actor: Any = ray.remote(num_cpus=0, max_restarts=1, max_task_retries=3)(Seen)


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def ends(process: int) -> bool:
    return until(lambda: not lives(process))


def stand_ins(raylet: int) -> set[int]:
    return {process for process in tree(raylet) if Path(f"/proc/{process}/cmdline").read_bytes() == b"cat\0"}


def main() -> None:
    logging.basicConfig(stream=sys.stderr)
    late = sys.argv[1:] == ["late"]
    forked = ForkedWorkers.start(() if late else IMPORTS)
    if forked is None:
        raise RuntimeError("no zygote")
    if late:
        os.environ["LATE"] = "1"  # what the zygote has imported may have read that it is not there
    with private_ray.lean(forked):
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    zygote, folder = forked.process, forked.folder
    told: dict[str, Any] = {"zygote": zygote, "driver": dict(os.environ)}

    actors = [Actor.remote() for _ in range(3)]
    told["first"] = ray.get([actor.seen.remote() for actor in actors])
    titles = {process: title(process) for process in tree(zygote)}
    told["agents"] = {process: said for process, said in titles.items() if said.endswith("Agent")}
    raylet = told["raylet"] = int(told["first"][0]["environment"]["RAY_RAYLET_PID"])

    if not late:
        other = Actor.options(runtime_env={"env_vars": {"COLOUR": "green"}}).remote()
        told["other"] = ray.get(other.seen.remote())

        victim = told["first"][0]["process"]
        child = ray.get(actors[0].child.remote())
        os.kill(victim, signal.SIGKILL)
        told["killed"] = ray.get(actors[0].seen.remote())
        told["child of killed"] = "swept" if ends(child) else "alive"

        while "tabnanny" not in told.setdefault("later", {"imported": []})["imported"]:
            time.sleep(2 * QUIET_SECONDS)  # it imports them when nobody has wanted a fork for so long
            probe = Actor.remote()
            told["later"] = ray.get(probe.seen.remote())
            ray.kill(probe)
            ends(told["later"]["process"])

        before = stand_ins(raylet)
        ray.kill(actors[1])
        told["ended"] = ends(told["first"][1]["process"]) and until(lambda: len(stand_ins(raylet)) < len(before))

        extra = Actor.remote()
        process = ray.get(extra.seen.remote())["process"]
        (its,) = stand_ins(raylet) - before
        os.kill(its, signal.SIGKILL)
        told["without its stand-in"] = "ended" if ends(process) else "alive"

        os.kill(zygote, signal.SIGKILL)
        until(lambda: not lives(zygote))
        told["orphan"] = ray.get(actors[2].seen.remote())
        told["late"] = ray.get(Actor.remote().seen.remote())

    forked.check()
    everyone = [process for process in tree(os.getpid()) if process != os.getpid()]
    everyone += [*told["agents"]] + [told[key]["process"] for key in ("orphan", "late") if key in told]
    ray.shutdown()
    forked.stop()
    told["left"] = [process for process in everyone if not ends(process)] + [str(folder)] * folder.exists()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()

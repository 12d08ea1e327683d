"""A whole storm from start to verdict, for `make chaos` and for the tests."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pipeline.contracts import VideoRequest
from tests.chaos import tally, victims
from tests.chaos.load import Load, request
from tests.chaos.storm import Report, Storm, restarted, verdict

SHARES = {
    "coordinator": 22,
    "lipsync replica": 20,
    "voice replica": 14,
    "face replica": 12,
    "avatar replica": 8,
    "ingress replica": 8,
    "controller": 7,
    "proxy": 4,
    victims.CLUSTER: 5,
}
"""How often each is killed among a hundred: those that work most, most."""


def schedule(kills: int, seed: int) -> list[str]:
    """Victims in their shares, every kind at least once, in an order that the seed chooses."""
    each = list(SHARES)
    more = random.Random(seed).choices(each, list(SHARES.values()), k=max(0, kills - len(each)))
    chosen = [*each, *more]
    random.Random(seed).shuffle(chosen)
    return chosen


def storm(folder: Path, kills: Sequence[str], videos: int, *, postgres: Any = None, seed: int = 0) -> Report:
    """Kills over a load of `videos`; on Postgres that is restarted every few seconds meanwhile, where one is given."""
    installed = tally.package(folder / "package")
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, str(installed), *filter(None, [os.environ.get("PYTHONPATH")])])
    file = folder / "tally.jsonl"
    environment = {"PYTHONPATH": paths, tally.VARIABLE: str(file)}
    url = None
    if postgres is not None:
        url = environment["MOUTHPIECE_STORAGE__DATABASE"] = postgres.database()
    weather = Storm(folder, database=url, seed=seed, environment=environment)
    load = Load(weather.server.url, videos)
    try:
        with nullcontext() if postgres is None else restarted(postgres, 4.0):
            killed = weather.run(kills, load)
        jobs = weather.settle(load)
        report = verdict(weather, load, jobs, undisturbed(folder / "calm", installed, sorted(load.accepted)))
        report.kills = killed
        first = next(iter(load.accepted.values()))
        if len(weather.content(first)) != jobs[first]["result"]["bytes"]:
            report.broken.append("a finished video is not served whole")
        return report
    finally:
        weather.stop()


def undisturbed(folder: Path, installed: Path, numbers: Sequence[int]) -> dict[int, str]:
    """The digests of the same videos, made in this process, where nobody is killed."""
    from clients.cli.local import Local
    from pipeline import cascade

    sys.path.insert(0, str(installed))
    os.environ[tally.VARIABLE] = str(folder.with_suffix(".jsonl"))
    try:
        chosen = dict(setting.split("=", 1) for setting in tally.settings())
        layers = {key: value.strip("[]").split(",") for key, value in chosen.items()}
        settings = cascade.resolve({"storage": {"folder": str(folder)}}, {}, layers, None)
        with Local(settings) as studio:
            made = {}
            for number in numbers:
                job = studio.wait(studio.render(VideoRequest(**request(number))).id)
                made[number] = job.result.sha256 if job.result else f"{job.status}: {job.error}"
            return made
    finally:
        sys.path.remove(str(installed))
        del os.environ[tally.VARIABLE]

"""`make chaos`: a hundred kills over a running load, on SQLite and on Postgres, and one table of what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from tests.chaos.storm import Report
from tests.chaos.storms import schedule, storm
from tests.postgres import Missing, Postgres


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--videos", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        server = None
        if options.database == "postgres":
            try:
                server = Postgres()
            except Missing as error:
                print(error, file=sys.stderr)
                return 2
            server.start()
        try:
            victims = schedule(options.kills, options.seed)
            report = storm(Path(folder), victims, options.videos, postgres=server, seed=options.seed)
        finally:
            if server is not None:
                server.remove()
    print(table(report))
    return 1 if report.broken else 0


def table(report: Report) -> str:
    """Who was killed how often, how long the application was away, and what was done twice."""
    back = defaultdict(list)
    moments = defaultdict(set)
    for kill in report.kills:
        back[kill.victim].append(kill.back)
        moments[kill.victim].add(kill.moment)
    lines = ["| killed | times | answers again after, median and longest s | moments |", "|---|---|---|---|"]
    for victim, seconds in sorted(back.items(), key=lambda item: -len(item[1])):
        lines.append(
            f"| {victim} | {len(seconds)} | {median(seconds):.1f}, {max(seconds):.1f} | {len(moments[victim])} |"
        )
    lines += ["", "| work | finished | begun | begun more often, cut off by a kill |", "|---|---|---|---|"]
    for kind, needed in sorted(report.needed.items()):
        lines.append(f"| {kind} | {needed} | {report.begun[kind]} | {report.begun[kind] - needed} |")
    lines += ["", f"{report.completed} of {report.accepted} accepted videos completed, byte for byte as undisturbed."]
    lines += [f"BROKEN: {promise}" for promise in report.broken] or ["Every promise was kept."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

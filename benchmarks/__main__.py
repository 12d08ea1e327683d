"""`make bench`: the figures of videos, their parts, jobs and load, one script after the other.

    python -m benchmarks [NAME ...]

Wants an idle machine and about twenty minutes. The scripts run by themselves too: `python -m benchmarks.NAME`. Not
among them: `make bench-stream`, `bench-live`, `bench-long`, `bench-placement` (with `benchmarks.placement_simulation`
and `placement_decision`), and `bench-gpu`.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks import scripts

ALL: Final = (
    *("product", "refusals", "render", "encode", "lipsync", "visemes", "alignment", "voices", "portraits"),
    *("jobs", "load"),
)

if __name__ == "__main__":
    sys.exit(scripts.run(ALL, sys.argv[1:]))

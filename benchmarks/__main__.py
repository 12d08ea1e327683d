"""`make bench`: every figure, one script after the other.

    python -m benchmarks [NAME ...]

Wants an idle machine and about twenty minutes. The scripts run by themselves too: `python -m benchmarks.NAME`.
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

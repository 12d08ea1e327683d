"""`make bench`: every figure, one script after the other.

    python -m benchmarks [NAME ...]

Wants an idle machine and about twenty minutes. The scripts run by themselves too: `python -m benchmarks.NAME`.
"""

from __future__ import annotations

import subprocess
import sys

ALL = ("product", "refusals", "render", "encode", "lipsync", "visemes", "voices", "portraits", "jobs", "load")


def main() -> int:
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}.", file=sys.stderr)
        return 2
    failed = []
    for name in names:
        print(f"\n== {name} ==", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

"""Runs benchmarks one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence


def run(known: Sequence[str], asked: Sequence[str], prefix: str = "", *, without: Sequence[str] = ()) -> int:
    """Of the `known` scripts `benchmarks.{prefix}NAME` those that are asked for, or all; those in `without` are said
    not to be run. The exit code: 0, 1 where one failed, 2 for a name that is none of them."""
    unknown = [name for name in asked if name not in known]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = []
    for name in asked or known:
        print(f"\n== {name} ==", flush=True)
        if name in without:
            print("not run")
        elif subprocess.run([sys.executable, "-m", f"benchmarks.{prefix}{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)

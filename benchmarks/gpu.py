"""`make bench-gpu`: every figure that wants a graphics card, one script after the other.

    python -m benchmarks.gpu [NAME ...]

Without Ray. Where there is no card the networks are small, and all that the figures show is that the scripts run.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

ALL: Final = {"musetalk": True, "xtts": True, "diffusion": True, "placement": False}
"""Scripts `benchmarks.gpu_NAME`, and whether they run without a card too."""


def main() -> int:
    import torch

    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}.", file=sys.stderr)
        return 2
    card = torch.cuda.is_available()
    print(torch.cuda.get_device_name() if card else "No graphics card: nothing below is a figure of one.")
    failed = []
    for name in names:
        print(f"\n== {name} ==", flush=True)
        if not (card or ALL[name]):
            print("not run: it measures the card itself")
        elif subprocess.run([sys.executable, "-m", f"benchmarks.gpu_{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

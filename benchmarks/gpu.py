"""`make bench-gpu`: every figure that wants a graphics card, one script after the other.

    python -m benchmarks.gpu [NAME ...]

Without Ray. Where there is no card the networks are small, and all that the figures show is that the scripts run.
"""

from __future__ import annotations

import sys
from typing import Final

from benchmarks import scripts

ALL: Final = (
    *("musetalk", "wav2lip", "xtts", "coqui", "f5", "diffusion", "svd", "realesrgan", "whisper"),
    "placement",
)
"""Scripts `benchmarks.gpu_NAME`."""

OF_THE_CARD: Final = ("placement",)
"""Those that measure the card itself, and say nothing without one."""


def main() -> int:
    import torch

    card = torch.cuda.is_available()
    print(torch.cuda.get_device_name() if card else "No graphics card: nothing below is a figure of one.")
    return scripts.run(ALL, sys.argv[1:], "gpu_", without=() if card else OF_THE_CARD)


if __name__ == "__main__":
    sys.exit(main())

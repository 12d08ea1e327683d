"""Where the application runs."""

from __future__ import annotations

from typing import Literal

Runtime = Literal["cluster", "process"]
"""On Ray, with jobs that survive; or in a process, with all of its work ending with it."""

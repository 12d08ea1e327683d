"""What may be chosen for a diffusion model: schedulers, and what it leaves in the host's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

Scheduler = Literal["published", "dpm++", "dpm++_karras", "unipc", "euler", "euler_ancestral", "ddim", "lms", "pndm"]
"""`published` is the one that comes with the weights."""
Offload = Literal["none", "model", "sequential"]

SCHEDULERS: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "dpm++": ("DPMSolverMultistepScheduler", {}),
    "dpm++_karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
}
"""Class in diffusers and what is set besides the published configuration, which all take over."""

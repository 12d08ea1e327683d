"""How XTTS chooses what it says next: the settings of its sampling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.75
    """0 takes the likeliest, always."""
    top_k: int = 50
    """Only among so many of the likeliest; 0 is all."""
    top_p: float = 0.85
    """Only among the likeliest that together have this probability."""
    repetition_penalty: float = 5.0
    """Divides the score of what was said already; 1 is none."""
    beams: int = 1
    """Sequences that are followed at once; with more than one, nothing is heard before the sentence is finished."""
    length_penalty: float = 1.0
    """With beams: more than 0 favours long ones."""
    seed: int = 0
    """Chooses among what may be sampled."""

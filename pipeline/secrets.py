"""Which options of backends are secrets, by their names, and what is shown in place of a secret."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "**********"
"""As pydantic masks a `SecretStr`."""

NAME: Final = re.compile(
    r"(?:^|_)(?:password|passphrase|secret|credentials?|api_?key|(?:access|secret|private|auth)_key"
    r"|(?:access|api|auth|bearer|hf|hub|refresh|session)_token)$|^token$",
    re.IGNORECASE,
)
"""Whole words, so that `max_tokens`, `pad_token` and `keyframes` are none."""


def secret_name(option: str) -> bool:
    """Whether an option of this name holds a secret: `api_key`, `hub_token`, `password` ..."""
    return NAME.search(option) is not None

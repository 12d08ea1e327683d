"""The header `Idempotency-Key`: a request that is sent twice is done once.

Routes that make a job take it. The others that make something need none: voices and avatars have a name, which is a
conflict the second time, and speech and portraits are the same answer to the same question.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from pipeline.contracts.words import IdempotencyKey

Key = Annotated[
    IdempotencyKey | None,
    Header(
        alias="Idempotency-Key",
        description="A name for this request, 1 to 255 visible ASCII characters, such as a UUID. Sent again with the "
        "same body it gives the job that was made the first time; with another body it is refused with 409.",
    ),
]

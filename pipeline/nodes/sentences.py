"""What a film says, in parts: its sentences, each read when it is wanted and waited for where it is not spoken yet."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator

from pipeline.contracts import Speech
from pipeline.nodes.bench import Inputs
from pipeline.storage.parcels import unpack_speech


class Sentences:
    """Those that play the role `speech` in a node."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._sum = hashlib.sha256()
        self.read = 0
        """How many were taken."""

    def __len__(self) -> int:
        coming = self._inputs.coming.get("speech")
        return len(self._inputs.digests["speech"] if coming is None else coming)

    async def parts(self) -> AsyncGenerator[Speech]:
        """To be gone through once."""
        async for digest, data in self._inputs.parts("speech"):
            self._sum.update(bytes.fromhex(digest))
            self.read += 1
            yield unpack_speech(data)

    def heard(self) -> str:
        """SHA-256 of the digests of those that were taken, 64 hex digits."""
        return self._sum.hexdigest()


async def one(speech: Speech) -> AsyncGenerator[Speech]:
    """A recording, as the parts of a `Sound`."""
    yield speech

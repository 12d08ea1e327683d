"""What models were measured to take of a card, kept over restarts: one small file in the data folder."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.settings import Settings

NAME: Final = "footprints.json"

ROUNDING: Final = 64 << 20
"""Bytes; a corrected need is rounded up to whole ones of these, so that it is not corrected again for a trifle."""

log = logging.getLogger("mouthpiece.placement")


def key(deployment: str, settings: Settings) -> str:
    """What a measurement holds for: the model, the size and batch that it is configured to work at, and what its own
    options leave off the card."""
    generation = settings.generation
    offload = settings.options.get(deployment.partition("-")[2], {}).get("offload")
    beside = "" if offload is None else f" offload={offload}"
    return f"{deployment} size={generation.image_size} batch={generation.batch}{beside}"


def rounded(size: int) -> int:
    """Up to whole `ROUNDING`."""
    return -(-size // ROUNDING) * ROUNDING


class Footprints:
    """Bytes by `key`. What is not there has not been measured to need more than it declares."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._sizes = self._read()

    def need(self, name: str, declared: int) -> int:
        """The larger of declared and measured."""
        return max(declared, self._sizes.get(name, 0))

    def learn(self, sizes: Mapping[str, int]) -> bool:
        """Keeps what is more than before; returns whether there was any. The file is whole at every moment."""
        larger = {name: size for name, size in sizes.items() if size > self._sizes.get(name, 0)}
        if not larger:
            return False
        self._sizes |= larger
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f".{NAME}-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump({"bytes": self._sizes}, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return True

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._path.read_text())["bytes"]
            return {str(name): int(size) for name, size in found.items() if int(size) > 0}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            # They are measured again; refusing to start would help nobody.
            log.warning("%s can't be read: models are taken to need what they declare.", self._path)
            return {}

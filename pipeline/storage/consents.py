"""Consents on disk: `cons_<id>/profile.json` and what the person said as `recording.flac`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipeline.contracts import Consent, Samples
from pipeline.ids import new_id
from pipeline.storage.shelf import Shelf

_RECORDING = "recording.flac"


class ConsentStore:
    """Keeps consents, by id: names are labels. Safe with several processes on one folder; errors as in `Shelf`."""

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder, card=Consent, noun="consent", prefix="cons", labels=True)

    def create(self, name: str, language: str, samples: Samples, rate: int) -> Consent:
        """`samples` is the recording, float32 mono in [-1, 1] at `rate` Hz; kept with 24 bits."""
        consent = Consent(
            id=new_id("cons"),
            name=self._shelf.checked(name),
            language=language,
            created_at=datetime.now(UTC),
            seconds=len(samples) / rate,
        )

        def write(folder: Path) -> None:
            import soundfile

            soundfile.write(folder / _RECORDING, np.clip(samples, -1, 1), rate, subtype="PCM_24")

        return self._shelf.put(consent, write)

    def list(self) -> Sequence[Consent]:
        """Oldest first."""
        return self._shelf.list()

    def get(self, consent: str) -> Consent:
        return self._shelf.get(consent)

    def rename(self, consent: str, name: str) -> Consent:
        return self._shelf.rename(consent, name)

    def delete(self, consent: str) -> None:
        self._shelf.delete(consent)

    def recording(self, consent: str) -> tuple[Samples, int]:
        """The recording and its rate."""
        return self._shelf.load(consent, _RECORDING, _read)


def _read(path: Path) -> tuple[Samples, int]:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    return np.asarray(samples, np.float32), int(rate)

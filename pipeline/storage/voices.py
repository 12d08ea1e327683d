"""Voice profiles on disk: `voi_<id>/profile.json`, the clip as `clip.flac`, what was measured as `tint.npz`.

What a backend that clones has made of the clip is added as `conditioning-<backend>-<key>.npz`, one for each backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.contracts import Samples, VoiceConditioning, VoiceProfile, VoiceTint
from pipeline.errors import MouthpieceError, NotFound
from pipeline.ids import new_id
from pipeline.storage.parcels import pack_conditioning, unpack_conditioning
from pipeline.storage.shelf import Shelf

_CLIP, _TINT = "clip.flac", "tint.npz"
_BINS = 513


class VoiceStore:
    """Keeps voices. Safe with several processes on one folder; errors as in `Shelf`."""

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder, card=VoiceProfile, noun="voice", prefix="voi")

    def create(
        self,
        name: str,
        clip_samples: Samples,
        rate: int,
        tint: VoiceTint,
        usable_by: tuple[str, ...],
        consent: str | None = None,
        *,
        fidelity: Literal["tint", "clone"] = "tint",
    ) -> VoiceProfile:
        """`clip_samples` is the reference clip, float32 mono in [-1, 1] at `rate` Hz; kept with 24 bits."""
        profile = VoiceProfile(
            id=new_id("voi"),
            name=self._shelf.checked(name),
            created_at=datetime.now(UTC),
            clip_seconds=len(clip_samples) / rate,
            pitch_hz=tint.pitch_hz,
            pitch_spread=tint.pitch_spread,
            syllables_per_second=tint.syllables_per_second,
            usable_by=usable_by,
            fidelity=fidelity,
            consent=consent,
        )

        def write(folder: Path) -> None:
            import soundfile

            soundfile.write(folder / _CLIP, np.clip(clip_samples, -1, 1), rate, subtype="PCM_24")
            scalars = np.array([tint.pitch_hz, tint.pitch_spread, tint.syllables_per_second], np.float64)
            np.savez(folder / _TINT, scalars=scalars, envelope_db=tint.envelope_db.astype(np.float32))

        return self._shelf.put(profile, write)

    def list(self) -> Sequence[VoiceProfile]:
        return self._shelf.list()

    def get(self, id_or_name: str) -> VoiceProfile:
        return self._shelf.get(id_or_name)

    def rename(self, id_or_name: str, name: str) -> VoiceProfile:
        return self._shelf.rename(id_or_name, name)

    def delete(self, id_or_name: str) -> None:
        self._shelf.delete(id_or_name)

    def tint(self, id_or_name: str) -> VoiceTint:
        return self._shelf.load(id_or_name, _TINT, _read_tint)

    def clip(self, id_or_name: str) -> tuple[Samples, int]:
        """The clip and its rate."""
        return self._shelf.load(id_or_name, _CLIP, _read_clip)

    def conditioning(self, identity: str, backend: str, fingerprint: str) -> VoiceConditioning | None:
        """What this backend has made of the clip. None where it has not, or was another one then by its fingerprint, or
        where the file is damaged: it can be made again. Raises `NotFound` for the profile."""
        try:
            return self._shelf.load(identity, _conditioning(backend, fingerprint[:16]), _read_conditioning)
        except NotFound:
            raise
        except MouthpieceError:
            return None

    def keep_conditioning(self, identity: str, backend: str, fingerprint: str, conditioning: VoiceConditioning) -> None:
        """Adds it to the profile, in place of what the backend has made before. Raises `NotFound`."""
        data = pack_conditioning(conditioning)
        name, before = (_conditioning(backend, key) for key in (fingerprint[:16], "[0-9a-f]" * 16))
        self._shelf.add(identity, name, lambda path: path.write_bytes(data), instead_of=before)


def _conditioning(backend: str, key: str) -> str:
    return f"conditioning-{backend}-{key}.npz"


def _read_conditioning(path: Path) -> VoiceConditioning:
    return unpack_conditioning(path.read_bytes())


def _read_tint(path: Path) -> VoiceTint:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        scalars, envelope = file["scalars"], file["envelope_db"]
    if scalars.shape != (3,) or envelope.shape != (_BINS,) or not (np.isfinite(scalars).all()):
        raise ValueError("not a tint")
    pitch, spread, pace = (float(value) for value in scalars)
    return VoiceTint(pitch, spread, pace, envelope.astype(np.float32))


def _read_clip(path: Path) -> tuple[Samples, int]:
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32")
    if samples.ndim != 1:
        raise ValueError("not mono")
    return samples.astype(np.float32), int(rate)

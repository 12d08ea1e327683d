"""config.json of a Coqui model, made to point to nothing outside the model's folder.

Coqui's trainer writes the paths and classes of the machine it ran on into it, and coqui-tts opens and imports what it
finds there: any address that fsspec knows, any class of any module, statistics as whole pickles.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pipeline.errors import Damaged, MissingWeights

FILES: Final = {
    "speakers_file": ("speaker_ids.json", "speaker_ids.pth"),
    "speaker_file": (),
    "d_vector_file": ("speakers.json", "speakers.pth"),
    "language_ids_file": ("language_ids.json",),
}
"""Fields that name a file which speaking needs, and what it is called where the configuration does not say. The trainer
and the downloader of coqui-tts use these names."""

DROPPED: Final = ("speaker_encoder_model_path", "speaker_encoder_config_path")
"""Fields that name a file of a network that only training and cloning need."""

CHARACTERS: Final = (
    "TTS.tts.models.vits.VitsCharacters",
    "TTS.tts.utils.text.characters.BaseCharacters",
    "TTS.tts.utils.text.characters.BaseVocabulary",
    "TTS.tts.utils.text.characters.Graphemes",
    "TTS.tts.utils.text.characters.IPAPhonemes",
)
"""Classes that a configuration may name for its alphabet."""


def read(path: Path) -> dict[str, Any]:
    """Its values, files as absolute paths in its own folder; those that are not there are left out.

    Raises `Damaged`: damaged_weights for what is no configuration, unsafe_weights for a class that is not `CHARACTERS`.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, f"it is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise damaged(path, "it is no configuration")
    sections = {name: values.get(name) or {} for name in ("model_args", "audio", "characters")}
    if not all(isinstance(section, dict) for section in sections.values()):
        raise damaged(path, f"{', '.join(sections)} have to be sections")
    values = {name: value for name, value in values.items() if name not in sections or value}  # none is null
    for part in (values, sections["model_args"]):
        _localise(part, path.parent)
    sections["audio"].pop("stats_path", None)
    alphabet = sections["characters"].get("characters_class")
    if alphabet is not None and alphabet not in CHARACTERS:
        raise Damaged(
            f"{path} can't be used: it names the class {alphabet!r}, which was not imported.",
            code="unsafe_weights",
            accepted=", ".join(CHARACTERS),
        )
    return values


def statistics(path: Path) -> Path | None:
    """The file beside a configuration that says how its spectrograms are scaled, where it names one."""
    values = json.loads(path.read_text(encoding="utf-8"))
    named = (values.get("audio") or {}).get("stats_path")
    if not isinstance(named, str) or not named:
        return None
    for name in (Path(named).name, "scale_stats.npy"):
        if (path.parent / name).is_file():
            return path.parent / name
    raise MissingWeights(f"{path.parent} has no {Path(named).name}.", accepted=f"scale_stats.npy beside {path.name}")


def damaged(path: Path, what: str) -> Damaged:
    return Damaged(
        f"{path} can't be used: {what}.", code="damaged_weights", accepted="the file as it was published, or trained"
    )


def _localise(part: dict[str, Any], folder: Path) -> None:
    for field in DROPPED:
        part.pop(field, None)
    for field, usual in FILES.items():
        named = part.pop(field, None)
        listed = named if isinstance(named, list) else [named]
        own = [folder / Path(name).name for name in listed if isinstance(name, str) and name]
        found = [str(path) for path in own if path.is_file()]
        found = found or [str(folder / name) for name in usual if (folder / name).is_file()][:1]
        if found:
            part[field] = found if isinstance(named, list) else found[0]

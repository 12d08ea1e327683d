"""What is known of a published model before it is fetched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of a model, by the path that it has in its repository."""

    path: str
    size: int | None = None
    """Bytes, where known."""
    sha256: str | None = None
    """Hexadecimal, where known."""
    url: str = ""
    """Where it lies, if not in the repository on the hub."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """One published model: everything that is known of it before it is fetched."""

    name: str
    repository: str
    """`owner/name` on the hub; of files that lie elsewhere, the project's."""
    files: tuple[PublishedFile, ...]
    licence: str
    licence_url: str
    commercial_use: bool
    """Whether the licence lets anybody sell what the model makes, without asking and whatever they earn."""
    revision: str = "main"
    """Commit, branch or tag of the repository."""
    description: str = ""
    variant: str = ""
    """What diffusers calls the kind of its weight files: `from_pretrained(folder, variant=...)`; empty for none."""

    @property
    def gigabytes(self) -> float:
        """Room that its files take on disk, in 2**30 bytes. Files of unknown size are small and left out."""
        return sum(file.size or 0 for file in self.files) / 2**30

    @property
    def on_hub(self) -> bool:
        """Whether its files are the repository's, and kept in the hub's cache."""
        return not any(file.url for file in self.files)

    @property
    def command(self) -> str:
        """What fetches it, and mends what is damaged."""
        return f"mouthpiece models pull {self.name}"

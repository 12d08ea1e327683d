"""A hub of our own, a cache of its own, and models in the catalogue that it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deployments.backends.published import catalogue
from deployments.backends.published.description import PublishedFile, PublishedModel
from tests.backends.published.hub_server import Hub, name_of, serving, sha256

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "fedcba9876543210fedcba9876543210fedcba98"
SMALL = b'{"model_type": "tiny"}'
LARGE = np.random.default_rng(7).integers(0, 256, 3_000_000, np.uint8).tobytes()
OTHER = np.random.default_rng(8).integers(0, 256, 50_000, np.uint8).tobytes()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub that HF_ENDPOINT names, with a fresh cache in HF_HOME."""
    for variable in ("HF_HUB_CACHE", "HF_ASSETS_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("deployments.backends.published.download.PAUSE", 0.01)
    with serving() as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        found.add("someone/tiny", {"config.json": SMALL, "unet/model.bin": LARGE, "more.bin": OTHER}, COMMIT, "main")
        found.add("someone/elsewhere", {"upscaler.pth": OTHER}, COMMIT)
        yield found


@pytest.fixture
def tiny(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> PublishedModel:
    """A model of that hub: one small file without a hash, one large one with."""
    return added(
        monkeypatch,
        files=(PublishedFile("config.json"), PublishedFile("unet/model.bin", len(LARGE), sha256(LARGE))),
        revision=COMMIT,
    )


@pytest.fixture
def elsewhere(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> PublishedModel:
    """A model whose file is on no hub."""
    url = f"{hub.store}/store/{name_of(OTHER)}"
    files = (PublishedFile("upscaler.pth", len(OTHER), sha256(OTHER), url=url),)
    return added(monkeypatch, "elsewhere", "someone/elsewhere", files=files)


def added(
    monkeypatch: pytest.MonkeyPatch,
    name: str = "tiny",
    repository: str = "someone/tiny",
    *,
    files: tuple[PublishedFile, ...],
    revision: str = "main",
    commercial_use: bool = True,
) -> PublishedModel:
    """Puts a model into the catalogue for one test."""
    model = PublishedModel(
        name=name,
        repository=repository,
        files=files,
        revision=revision,
        licence="MIT" if commercial_use else "For research: nobody may sell it",
        licence_url="https://example.org/licence",
        commercial_use=commercial_use,
    )
    monkeypatch.setitem(catalogue.MODELS, name, model)
    return model
